"""Checks of one record that every reader shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from medseg.data.outlines import MAX_POINTS, check_points

from .geometry import (
    bounding_box,
    clip_to_frame,
    is_simple,
    mask_to_polygons,
    polygons_area,
)
from .images import ImageFacts
from .records import RecordError, SourceInstance

MAX_OVERSHOOT = 0.01
"""How far outside the image a point may lie to be moved to its border, as a part of the side."""

MIN_AREA = 1e-6
"""Areas up to this many square pixels count as zero."""


def check_outline(points: np.ndarray) -> np.ndarray:
    """The points without a repeated last one.

    Raises:
        RecordError: they are no outline; see ``outlines.check_points``.
    """
    if len(points) > 3 and np.array_equal(points[0], points[-1]):
        points = points[:-1]
    check_points(points)
    return points


def _outside(points: np.ndarray, width: int, height: int) -> RecordError:
    low, high = points.min(axis=0), points.max(axis=0)
    return RecordError(
        'outside the image',
        f'outline spans x {low[0]:g} to {high[0]:g}, y {low[1]:g} to {high[1]:g}, '
        f'outside the image of {width}x{height}')


def check_ring(points: np.ndarray, width: int, height: int,
               warn: Callable[[str, str], None]) -> np.ndarray:
    """Ring that is safe to write, of a format whose coordinates end at the image.

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
    points = check_outline(points)
    # an outline is relative to the image; absolute pixels would mean less in a larger one
    size = np.array([width, height], dtype=float)
    overshoot = float((np.maximum(-points, points - size) / size).max())
    if overshoot > MAX_OVERSHOOT:
        raise _outside(points, width, height)
    if overshoot > 0:
        warn('clipped', f'points up to {overshoot:.2g} of the side outside, moved to the border')
        points = np.clip(points, 0, size)
    return points


def clip_ring(points: np.ndarray, width: int, height: int,
              warn: Callable[[str, str], None]) -> list[np.ndarray]:
    """What lies inside the image of a ring that was drawn by hand.

    Args:
        points: Array of shape (N, 2), pixels.
        width: Image width in pixels.
        height: Image height in pixels.
        warn: Called with kind and reason when something was cut off.

    Returns:
        Rings of shape (N, 2) inside the image; several where the border cuts it into parts.

    Raises:
        RecordError: the points are no outline (see ``outlines.check_points``), or enclose no area
            inside.
    """
    points = check_outline(points)
    if (points >= 0).all() and (points <= (width, height)).all():
        return [points]
    rings = clip_to_frame(points, width, height)
    inside = polygons_area(rings) if rings else 0.0
    if inside <= MIN_AREA:
        raise _outside(points, width, height)
    warn('clipped', f'reaches outside the image of {width}x{height}, cut at its border; '
         f'{inside / polygons_area([points]):.0%} of its area is inside')
    return rings


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


def place_bitmap(mask: np.ndarray, left: int, top: int, width: int, height: int,
                 warn: Callable[[str, str], None]) -> tuple[list[np.ndarray], float]:
    """Outlines of a bitmap in its image, and its area in square pixels there.

    Args:
        mask: Booleans of shape (h, w).
        left: Column of its first pixel in the image.
        top: Row of its first pixel in the image.
        width: Image width in pixels.
        height: Image height in pixels.
        warn: Called with kind and reason when pixels outside the image were left out.

    Raises:
        RecordError: the bitmap is empty or lies outside the image.
    """
    if not mask.any():
        raise RecordError('zero area', 'the bitmap is empty')
    inside = np.zeros_like(mask, dtype=bool)
    window = (slice(max(-top, 0), max(height - top, 0)), slice(max(-left, 0), max(width - left, 0)))
    inside[window] = mask[window]
    where = (f'a bitmap of {mask.shape[1]}x{mask.shape[0]} at {left}, {top} reaches outside the '
             f'image of {width}x{height}')
    if not inside.any():
        raise RecordError('outside the image', where)
    if inside.sum() < mask.sum():
        warn('clipped', f'{where}, cut at its border; {inside.sum() / mask.sum():.0%} of its '
             'pixels are inside')
    mask = inside
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
