"""Checks of one record that every reader shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from medseg.data.outlines import MAX_POINTS, check_points

from .geometry import bounding_box, is_simple, mask_to_polygons, polygons_area
from .images import ImageFacts
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
        RecordError: the points are no outline (see ``outlines.check_points``), or lie too far out.
    """
    if len(points) > 3 and np.array_equal(points[0], points[-1]):
        points = points[:-1]
    check_points(points)
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


def check_stated_size(stated: tuple, facts: ImageFacts, fields: str,
                      warn: Callable[[str, str], None]) -> None:
    """Compares the size that an annotation file states with the image's own, which counts.

    Args:
        stated: (width, height), or (None, None) where the file states none.
        facts: The image.
        fields: Names of the fields that state it, for the message.
        warn: Called with kind and reason where the file is wrong.

    Raises:
        RecordError: the file was made in the frame of the stored pixels of a rotated image, or is
            wrong about it; nothing tells which.
    """
    if stated in ((None, None), facts.size):
        return
    text = f'{stated[0]}x{stated[1]}'
    if stated == (facts.stored_width, facts.stored_height):
        raise RecordError(
            'frame unclear',
            f'EXIF orientation {facts.orientation}, but the stated size {text} is that of the '
            f'stored pixels; correct {fields} if the points are upright, or pass --ignore-exif if '
            'all files are in the stored frame')
    warn('wrong size stated', f'says {text}, the image is {facts.size[0]}x{facts.size[1]}')


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
    points = sum(map(len, polygons))
    if points > MAX_POINTS:
        raise RecordError('too many points', f'{points} points, at most {MAX_POINTS} are read')
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


def place_bitmap(mask: np.ndarray, left: int, top: int, width: int,
                 height: int) -> tuple[list[np.ndarray], float]:
    """Outlines of a bitmap in its image, and its area in square pixels.

    Args:
        mask: Booleans of shape (h, w).
        left: Column of its first pixel in the image.
        top: Row of its first pixel in the image.
        width: Image width in pixels.
        height: Image height in pixels.

    Raises:
        RecordError: the bitmap is empty or reaches outside the image.
    """
    if not mask.any():
        raise RecordError('zero area', 'the bitmap is empty')
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if (left + columns[0] < 0 or top + rows[0] < 0 or left + columns[-1] >= width
            or top + rows[-1] >= height):
        raise RecordError('outside the image', f'a bitmap of {mask.shape[1]}x{mask.shape[0]} at '
                          f'{left}, {top} reaches outside the image of {width}x{height}')
    return [ring + (left, top) for ring in mask_to_polygons(mask)], float(mask.sum())


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
