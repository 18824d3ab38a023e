"""One independent random stream per purpose of each patient."""
from __future__ import annotations

import zlib

import numpy as np


def stream(seed: int, patient: int, purpose: str) -> np.random.Generator:
    """The generator of one purpose of one patient, whichever process asks for it."""
    return np.random.default_rng([seed, patient, zlib.crc32(purpose.encode())])
