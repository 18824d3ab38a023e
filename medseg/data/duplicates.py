"""Finds images that are the same, or nearly the same, by what they show.

Two images are near-duplicates when both hold:

- their perceptual hashes differ in few bits: the signs of the low frequencies of the cosine
  transform of a small grey image, around their median (the ``pHash`` idea), and
- the small grey images correlate strongly, once each pixel is compared with its surroundings.

The second keeps apart images that share only their layout, such as the round field of view of
endoscopes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

SIDE = 64
"""Side of the small grey image."""

HASH_SIDE = 16
"""The hash has HASH_SIDE ** 2 bits."""

MAX_BITS = 64
"""How many of the bits may differ; unrelated images differ in about half of them."""

MIN_CORRELATION = 0.85
"""Least correlation of the details of the small images."""

MIN_CONTRAST = 2.0
"""Standard deviation in grey levels below which an image is blank and resembles any other."""


@dataclass(frozen=True)
class Fingerprint:
    """What an image looks like.

    Attributes:
        source: Annotation file that lists it.
        name: Its ``file_name``.
        digest: Hash of size and pixels.
        bits: Perceptual hash, shape (HASH_SIDE ** 2,), -1 or 1.
        detail: Small grey image without its blurred self, of unit norm, shape (SIDE ** 2,); zeros
            for a blank image.
    """

    source: str
    name: str
    digest: str
    bits: np.ndarray
    detail: np.ndarray


def fingerprint(pixels: np.ndarray, source: str, name: str) -> Fingerprint:
    """Fingerprint of an RGB image of shape (H, W, 3), uint8."""
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels))
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:HASH_SIDE, :HASH_SIDE].reshape(-1)
    bits = np.where(low > np.median(low[1:]), 1, -1).astype(np.float32)
    detail = (small - cv2.GaussianBlur(small, (0, 0), 4)).reshape(-1)
    detail = detail - detail.mean()
    norm = float(np.linalg.norm(detail))
    blank = float(small.std()) < MIN_CONTRAST or norm == 0
    detail = np.zeros_like(detail) if blank else detail / norm
    return Fingerprint(source, name, digest.hexdigest(), bits, detail)


def near_pairs(first: Sequence[Fingerprint],
               second: Sequence[Fingerprint]) -> Iterator[tuple[Fingerprint, Fingerprint, float]]:
    """Yields each of ``first`` that nearly equals one of ``second``, with the most similar of them.

    The third value is the correlation of their details, from MIN_CORRELATION to 1.
    """
    if not first or not second:
        return
    bits = np.stack([item.bits for item in second])
    details = np.stack([item.detail for item in second])
    for item in first:
        distance = (bits.shape[1] - bits @ item.bits) / 2
        likeness = np.where(distance <= MAX_BITS, details @ item.detail, 0)
        best = int(likeness.argmax())
        if likeness[best] >= MIN_CORRELATION:
            yield item, second[best], float(min(likeness[best], 1))
