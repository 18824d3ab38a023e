"""One independent random stream for every purpose of every frame.

Keys, not a shared generator, so that a frame looks the same whichever process draws it and
whichever frames were drawn before.
"""

from __future__ import annotations

import zlib

import numpy as np


def stream(seed: int, patient: int, frame: int, purpose: str) -> np.random.Generator:
    """Return the generator of one purpose of one frame.

    Args:
        seed: Seed of the data set, >= 0.
        patient: Patient number, from 1 (0 for what belongs to the whole set).
        frame: Frame number, from 1 (0 for what belongs to the whole patient).
        purpose: Name of what is drawn; streams of different names are independent.

    Raises:
        ValueError: If a number is negative.
    """
    if min(seed, patient, frame) < 0:
        raise ValueError(f'seed, patient and frame must be >= 0, got {seed}, {patient}, {frame}')
    return np.random.default_rng([seed, patient, frame, zlib.crc32(purpose.encode())])
