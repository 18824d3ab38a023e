"""Rings of one object that lie inside each other: holes that the format has no word for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from shapely import Polygon

from .geometry import is_simple, signed_area, subtract_holes


def depths(rings: Sequence[np.ndarray]) -> list[int]:
    """In how many of the others each ring of shape (N, 2) lies; equal rings lie in none."""
    return [len(around) for around in _around(rings)]


def _around(rings: Sequence[np.ndarray]) -> list[list[int]]:
    """For each ring, the indices of those it lies in."""
    low = np.array([ring.min(axis=0) for ring in rings])
    high = np.array([ring.max(axis=0) for ring in rings])
    areas = np.array([abs(signed_area(ring)) for ring in rings])
    shapes = [Polygon(ring) if is_simple(ring) else None for ring in rings]
    found: list[list[int]] = []
    for inner, shape in enumerate(shapes):
        boxes = ((low <= low[inner]) & (high >= high[inner])).all(axis=1) & (areas > areas[inner])
        found.append([int(outer) for outer in np.flatnonzero(boxes)
                      if shape is not None and shapes[outer] is not None
                      and shapes[outer].contains(shape)])
    return found


def cut_holes(rings: Sequence[np.ndarray]) -> tuple[list[np.ndarray], float]:
    """Rings that enclose what lies in an odd number of the given ones, and their area.

    A ring inside another is its hole, one inside that hole an island, and so on.

    Raises:
        RecordError: as ``geometry.subtract_holes``.
    """
    around = _around(rings)
    kept: list[np.ndarray] = []
    area = 0.0
    for index, outer in enumerate(rings):
        if len(around[index]) % 2:
            continue
        holes = [ring for inner, ring in enumerate(rings)
                 if index in around[inner] and len(around[inner]) == len(around[index]) + 1]
        parts, size = subtract_holes(outer, holes) if holes else ([outer], abs(signed_area(outer)))
        kept += parts
        area += size
    return kept, area
