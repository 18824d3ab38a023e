"""From a BGR frame to the network's input, as MMDetection's test pipeline makes it."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from medseg.runtime.metadata import padded_size


@dataclass(frozen=True)
class Geometry:
    """How a frame lies in the network's input; sizes are (height, width) in pixels."""

    original: tuple[int, int]
    resized: tuple[int, int]
    padded: tuple[int, int]

    def seen_at(self, side: int) -> Geometry:
        """The same for a frame whose longer side is at most ``side``, an even number.

        Both sides of a smaller frame are even, so that it can be halved.
        """
        part = min(side / max(self.original), 1.0)
        if part == 1:
            return self
        height, width = (2 * max(round(part * length / 2), 1) for length in self.original)
        return replace(self, original=(height, width))

    @property
    def factor(self) -> tuple[float, float]:
        """Input pixels per original pixel, as (x, y)."""
        return (self.resized[1] / self.original[1], self.resized[0] / self.original[0])


class Preprocessor:
    """Resize, swap to RGB, normalise, pad at the bottom and right.

    Buffers are kept between frames of one size: each call overwrites the array of the last.

    Args:
        metadata (Mapping): See :func:`medseg.runtime.metadata.describe`.
    """

    def __init__(self, metadata: Mapping[str, Any]) -> None:
        self.metadata = metadata
        levels = np.arange(256, dtype=np.float32)[:, None]
        table = ((levels - np.float32(metadata['mean'])) / np.float32(metadata['std']))
        # One table per channel of the input: a value for each of the 256 levels.
        self._tables = np.ascontiguousarray(table.T.astype(np.float32))
        self._reduction = 1.0
        self._geometry: Geometry | None = None
        self._small = self._blob = np.empty(0)

    @property
    def reduction(self) -> float:
        """Sides of the resized frame, as a part of what the metadata ask for."""
        return self._reduction

    @reduction.setter
    def reduction(self, value: float) -> None:
        if value != self._reduction:
            self._reduction, self._geometry = value, None

    def geometry(self, height: int, width: int) -> Geometry:
        """Where a frame of that size ends up.

        Raises:
            MetadataError: It does not fit a static input.
        """
        scale_w, scale_h = (max(round(side * self._reduction), 1)
                            for side in self.metadata['scale'])
        if self.metadata['keep_ratio']:
            long_edge, short_edge = max(scale_w, scale_h), min(scale_w, scale_h)
            factor = min(long_edge / max(height, width), short_edge / min(height, width))
            resized = (max(int(height * factor + 0.5), 1), max(int(width * factor + 0.5), 1))
        else:
            resized = (scale_h, scale_w)
        return Geometry((height, width), resized, padded_size(*resized, self.metadata))

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, Geometry]:
        """The network's input.

        Args:
            image (np.ndarray): BGR, (H, W, 3) uint8.

        Returns:
            tuple: Float32 (1, 3, H', W'), valid until the next call, and the geometry.

        Raises:
            ValueError: The array is no such image.
            MetadataError: It does not fit a static input.
        """
        if not (isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3
                and image.shape[2] == 3 and image.size):
            kind = f'{image.dtype} {image.shape}' if isinstance(image, np.ndarray) else type(image)
            raise ValueError(f'an image must be a BGR array (H, W, 3) of uint8, got {kind}')
        if self._geometry is None or self._geometry.original != image.shape[:2]:
            self._geometry = self.geometry(*image.shape[:2])
            self._small = np.empty((*self._geometry.resized, 3), np.uint8)
            self._blob = np.full((1, 3, *self._geometry.padded), self.metadata['pad_value'],
                                 np.float32)
        height, width = self._geometry.resized
        cv2.resize(image, (width, height), dst=self._small, interpolation=cv2.INTER_LINEAR)
        planes = cv2.split(self._small)
        if self.metadata['to_rgb']:
            planes = planes[::-1]
        for plane, table, target in zip(planes, self._tables, self._blob[0], strict=True):
            cv2.LUT(plane, table, dst=target[:height, :width])
        return self._blob, self._geometry
