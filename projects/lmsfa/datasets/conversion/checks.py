"""Checks of one record that every reader shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .geometry import bounding_box, is_simple, polygons_area
from .records import RecordError, SourceInstance

MAX_OVERSHOOT = 0.01
"""How far outside the image a point may lie to be moved to its border, as a part of the side."""

MIN_AREA = 1e-6
"""Areas up to this many square pixels count as zero."""


def check_ring(points: np.ndarray, width: int, height: int,
               warn: Callable[[str, str], None]) -> np.ndarray:
    """Ring that is safe to write.

    Args:
        points: Array of shape (N, 2), pixels.
        width: Image width in pixels.
        height: Image height in pixels.
        warn: Called with kind and reason when points were moved to the border.

    Returns:
        The ring of shape (N, 2) inside the image.

    Raises:
        RecordError: fewer than three points, a number that is not finite, or points too far out.
    """
    if len(points) > 3 and np.array_equal(points[0], points[-1]):
        points = points[:-1]
    if len(points) < 3:
        raise RecordError('too few points', f'{len(points)} points, at least 3 make an outline')
    if not np.isfinite(points).all():
        raise RecordError('not finite', 'a coordinate is not a finite number')
    # an outline is relative to the image; absolute pixels would mean less in a larger one
    size = np.array([width, height], dtype=float)
    overshoot = float((np.maximum(-points, points - size) / size).max())
    if overshoot > MAX_OVERSHOOT:
        low, high = points.min(axis=0), points.max(axis=0)
        raise RecordError(
            'outside the image',
            f'outline spans x {low[0]:g} to {high[0]:g}, y {low[1]:g} to {high[1]:g}, '
            f'outside the image of {width}x{height}')
    if overshoot > 0:
        warn('clipped', f'points up to {overshoot:.2g} of the side outside, moved to the border')
        points = np.clip(points, 0, size)
    return points


def make_instance(category: int, polygons: Sequence[np.ndarray], where: str,
                  warn: Callable[[str, str], None], area: float | None = None) -> SourceInstance:
    """Instance of checked rings.

    Args:
        category: Class index, from 0.
        polygons: Rings of shape (N >= 3, 2) inside the image.
        where: Place in the file.
        warn: Called with kind and reason for an outline that is usable but odd.
        area: Area in square pixels where it is known better than from the rings.

    Raises:
        RecordError: the outline encloses nothing.
    """
    known = area is not None
    area = polygons_area(polygons) if area is None else area
    if area <= MIN_AREA:
        raise RecordError('zero area', 'the outline encloses no area')
    if not known and not all(is_simple(ring) for ring in polygons):
        warn('crosses itself', 'the outline crosses or touches itself; kept as it is')
    _, _, width, height = bounding_box(polygons)
    if min(width, height) < 1:
        warn('under one pixel',
             f'{width:.2f}x{height:.2f} pixels; MMDetection leaves such boxes out of training')
    return SourceInstance(category, list(polygons), area, where)


class DuplicateFilter:
    """Finds records of one image that say the same as an earlier one."""

    def __init__(self) -> None:
        self._seen: dict[tuple, str] = {}

    def check(self, category: int, polygons: Sequence[np.ndarray], where: str) -> None:
        """Remembers a record.

        Raises:
            RecordError: an earlier record has the same class and points.
        """
        key = (category, *(np.asarray(ring, dtype=float).tobytes() for ring in polygons))
        first = self._seen.setdefault(key, where)
        if first != where:
            raise RecordError('duplicate record', f'same class and points as {first}')
