"""Polygon geometry: areas, boxes, bridged holes, outlines of bitmaps, rasterising.

Coordinates are pixels with (0, 0) the outer corner of the first pixel; y points down.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import cv2
import numpy as np
from pycocotools import mask as mask_utils
from scipy.spatial import cKDTree
from shapely import Polygon, make_valid, unary_union
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from .records import RecordError

MAX_TANGLE = 1000
"""Points of an object up to which overlaps and crossings are worked out exactly."""

MAX_CROSSINGS = 100
"""Crossings of a ring with itself up to which its parts are worked out exactly; ``make_valid``
takes 10 s for 3000 of them, which 150 points can have."""

MAX_BORDERS = 200_000
"""Pixel borders of a bitmap that may be turned into outlines; noise has as many as pixels."""

MAX_HOLES = 2000
"""Holes of one outline."""

PICTURE_SIDE, PICTURE_LENGTH = 2048, 1e6
"""Side of the picture by which other objects are measured, and pixels of all outlines on it."""


def signed_area(ring: np.ndarray) -> float:
    """Shoelace area of a ring of shape (N, 2); positive when clockwise on screen (y down)."""
    # relative to the first vertex, so that rings far from the origin keep their precision
    x, y = (ring - ring[0]).T
    return 0.5 * float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


def is_simple(ring: np.ndarray) -> bool:
    """Whether a ring of shape (N >= 3, 2) neither crosses nor touches itself."""
    return bool(Polygon(ring).is_valid)


def polygons_area(polygons: Sequence[np.ndarray]) -> float:
    """Area in square pixels of the union of rings, each of shape (N >= 3, 2).

    A ring that crosses itself is filled by the even-odd rule, as ``pycocotools`` does. Objects of
    more than MAX_TANGLE points that overlap, and wild tangles, are measured on a picture.
    """
    if len(polygons) == 1 and is_simple(polygons[0]):
        return abs(signed_area(polygons[0]))
    points = sum(map(len, polygons))
    if points > MAX_TANGLE or any(_crossings(ring) > MAX_CROSSINGS for ring in polygons
                                  if not is_simple(ring)):
        if _apart(polygons) and all(map(is_simple, polygons)):
            return sum(abs(signed_area(ring)) for ring in polygons)
        return _pictured_area(polygons)
    return float(unary_union([_valid(ring) for ring in polygons]).area)


def _crossings(ring: np.ndarray) -> int:
    """How often a ring of shape (N, 2) crosses itself, neighbours aside."""
    start, step = ring, np.roll(ring, -1, axis=0) - ring

    def side(points: np.ndarray) -> np.ndarray:
        """On which side of each edge (rows) each point lies."""
        away = points[None] - start[:, None]
        return step[:, None, 0] * away[..., 1] - step[:, None, 1] * away[..., 0]

    first = side(start)
    split = first * np.roll(first, -1, axis=1) < 0  # edge i lies between the ends of edge j
    return int((split & split.T).sum()) // 2


def _apart(polygons: Sequence[np.ndarray]) -> bool:
    """Whether the boxes around rings do not meet, so that areas add up."""
    low = np.array([ring.min(axis=0) for ring in polygons])
    high = np.array([ring.max(axis=0) for ring in polygons])
    if len(polygons) > MAX_TANGLE:
        return False
    meet = ((low[:, None] < high[None]) & (low[None] < high[:, None])).all(axis=2)
    return int(meet.sum()) <= len(polygons)  # each meets itself


def _pictured_area(polygons: Sequence[np.ndarray]) -> float:
    """Area of the union of rings, measured on a picture of them."""
    left, top, width, height = bounding_box(polygons)
    length = sum(float(np.abs(np.diff(ring, axis=0, append=ring[:1])).sum()) for ring in polygons)
    scale = min(PICTURE_SIDE / max(width, height, 1e-9), PICTURE_LENGTH / max(length, 1e-9))
    side = int(np.ceil(max(width, height) * scale)) + 1
    return float(rasterize([(ring - (left, top)) * scale for ring in polygons], side,
                           side).sum()) / scale ** 2


def parts_of(ring: np.ndarray) -> Polygon:
    """A ring as a valid shape.

    Raises:
        RecordError: it crosses itself too often to work its parts out.
    """
    if not is_simple(ring) and (len(ring) > MAX_TANGLE or _crossings(ring) > MAX_CROSSINGS):
        raise RecordError('too tangled', f'an outline of {len(ring)} points crosses itself too '
                          'often to work its parts out')
    return _valid(ring)


def _valid(ring: np.ndarray) -> Polygon:
    """A ring of shape (N, 2) as a valid shape, to a millionth of a pixel where it crosses itself.

    GEOS fails on crossings of vertices that lie nearer together than it can tell apart.
    """
    return Polygon(ring) if is_simple(ring) else make_valid(Polygon(np.round(ring, 6)))


def bounding_box(polygons: Sequence[np.ndarray]) -> tuple[float, float, float, float]:
    """Box (x, y, width, height) around rings of shape (N, 2)."""
    points = np.concatenate(list(polygons))
    low, high = points.min(axis=0), points.max(axis=0)
    return float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])


def rasterize(polygons: Sequence[np.ndarray], height: int, width: int) -> np.ndarray:
    """Union of rings as a boolean mask of shape (height, width), by ``pycocotools``' rule."""
    flat = [np.asarray(ring, dtype=float).reshape(-1).tolist() for ring in polygons]
    rle = mask_utils.merge(mask_utils.frPyObjects(flat, height, width))
    return mask_utils.decode(rle).astype(bool)


def mask_iou(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over union of two boolean masks; 1.0 when both are empty."""
    union = np.logical_or(first, second).sum()
    return float(np.logical_and(first, second).sum() / union) if union else 1.0


def rectangle(corner: np.ndarray, opposite: np.ndarray) -> np.ndarray:
    """Ring of shape (4, 2) of the axis-parallel rectangle between two corners (x, y)."""
    (x1, y1), (x2, y2) = np.minimum(corner, opposite), np.maximum(corner, opposite)
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], dtype=float)


def circle(center: np.ndarray, radius: float) -> np.ndarray:
    """Ring of shape (N, 2), N from 128 to 360, whose area equals the circle's."""
    count = int(np.clip(np.ceil(np.pi * radius), 128, 360))
    step = 2 * np.pi / count
    # the inscribed polygon is too small; this radius gives it the area of the circle
    radius = radius * np.sqrt(step / np.sin(step))
    angles = np.arange(count) * step
    return np.asarray(center, float) + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def clip_to_frame(ring: np.ndarray, width: int, height: int) -> list[np.ndarray]:
    """Parts of a ring inside the image frame, each of shape (N, 2); empty when none is.

    A ring that crosses or touches itself is filled by the even-odd rule; holes are bridged.

    Raises:
        RecordError: it crosses itself too often.
    """
    return _rings(parts_of(ring).intersection(box(0, 0, width, height)))


def _rings(shape: BaseGeometry) -> list[np.ndarray]:
    """Rings (N, 2) that enclose the areas of a shape, holes bridged into them."""
    return [bridge_holes(np.asarray(part.exterior.coords)[:-1],
                         [np.asarray(hole.coords)[:-1] for hole in part.interiors])
            for part in getattr(shape, 'geoms', [shape])
            if isinstance(part, Polygon) and not part.is_empty]


def bridge_holes(exterior: np.ndarray, holes: Sequence[np.ndarray]) -> np.ndarray:
    """One ring of shape (M, 2) that encloses an exterior without its holes.

    Every hole is joined by a bridge of no width that is walked twice in opposite directions. The
    even-odd fill of the result is exactly exterior minus holes, and its shoelace area is theirs.
    Unlike an RLE it can be used where masks are kept as polygons.

    Args:
        exterior: Ring of shape (N, 2).
        holes: Rings of shape (K, 2) inside the exterior.

    Raises:
        RecordError: there are thousands of holes.
    """
    if len(holes) > MAX_HOLES:
        raise RecordError('too many holes', f'{len(holes)} holes, at most {MAX_HOLES} are cut')
    rings = [exterior if signed_area(exterior) > 0 else exterior[::-1],
             *(hole if signed_area(hole) < 0 else hole[::-1] for hole in holes)]
    bridges = _bridges(rings)
    path: list[np.ndarray] = [rings[0][0]]
    # ring, the point it was entered by, points passed since, bridges that leave the last of these
    walks = [[0, 0, 0, iter(bridges.get((0, 0), ()))]]
    while walks:
        ring, start, passed, leaving = walks[-1]
        bridge = next(leaving, None)
        if bridge is not None:
            walks.append([*bridge, 0, iter(bridges.get(bridge, ()))])
            path.append(rings[bridge[0]][bridge[1]])
        elif passed + 1 < len(rings[ring]):
            at = (start + passed + 1) % len(rings[ring])
            walks[-1][2:] = passed + 1, iter(bridges.get((ring, at), ()))
            path.append(rings[ring][at])
        else:
            walks.pop()
            if walks:  # close the hole, go back over the bridge
                before, start_before, passed, _ = walks[-1]
                path += [rings[ring][start],
                         rings[before][(start_before + passed) % len(rings[before])]]
    return np.array(path)


def _bridges(rings: Sequence[np.ndarray]) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """Shortest bridges that join all rings to the first: a spanning tree, whose edges do not cross.

    Returns ``{(ring, point): [(ring, point) at the far end, ...]}``, from the first ring outwards.
    """
    bridges: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    if len(rings) == 1:
        return bridges
    points = np.concatenate(rings[1:])
    owner = np.repeat(np.arange(1, len(rings)), [len(ring) for ring in rings[1:]])
    first = np.concatenate([[0], np.cumsum([len(ring) for ring in rings[1:]])])
    gap = np.full(len(points), np.inf)
    end = np.zeros((len(points), 2), dtype=int)
    free = np.ones(len(points), dtype=bool)
    joined = 0
    for _ in rings[1:]:
        left = np.flatnonzero(free)
        distance, nearest = _nearest(points[left], rings[joined])
        closer = distance < gap[left]
        gap[left[closer]] = distance[closer]
        end[left[closer], 0], end[left[closer], 1] = joined, nearest[closer]
        at = int(left[gap[left].argmin()])
        joined = int(owner[at])
        bridges[tuple(end[at].tolist())].append((joined, int(at - first[joined - 1])))
        free[owner == joined] = False
    return bridges


def _nearest(points: np.ndarray, ring: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance of each point to the nearest point of a ring, and which that is."""
    if len(ring) > 16:
        return cKDTree(ring).query(points)
    gaps = (points[:, :1] - ring[:, 0]) ** 2 + (points[:, 1:] - ring[:, 1]) ** 2
    nearest = gaps.argmin(axis=1)
    return np.sqrt(gaps[np.arange(len(points)), nearest]), nearest


def subtract_holes(exterior: np.ndarray,
                   holes: Sequence[np.ndarray]) -> tuple[list[np.ndarray], float]:
    """Rings that enclose an exterior without its holes, and their area in square pixels.

    Args:
        exterior: Ring of shape (N, 2).
        holes: Rings of shape (K, 2); they may reach over the exterior and over each other.

    Raises:
        RecordError: a ring is too tangled, or there are too many holes.
    """
    rest = parts_of(exterior).difference(unary_union([parts_of(hole) for hole in holes]))
    return _rings(rest), float(rest.area)


def check_intricacy(mask: np.ndarray) -> None:
    """Whether a mask has outlines that can be followed; noise has as many borders as pixels.

    Args:
        mask: uint8 of shape (H, W), 0 or 1.

    Raises:
        RecordError: it has more pixel borders, or more holes, than can be followed.
    """
    padded = np.pad(mask, 1)
    borders = (np.count_nonzero(padded[1:] != padded[:-1])
               + np.count_nonzero(padded[:, 1:] != padded[:, :-1]))
    if borders > MAX_BORDERS:
        raise RecordError('too intricate', f'a mask of {borders} pixel borders, at most '
                          f'{MAX_BORDERS} are followed')
    if borders > MAX_HOLES:
        holes = cv2.connectedComponents((padded == 0).astype(np.uint8), connectivity=8)[0] - 2
        if holes > MAX_HOLES:
            raise RecordError('too intricate', f'a mask of {holes} holes, at most {MAX_HOLES} are '
                              'followed')


def mask_to_polygons(mask: np.ndarray) -> list[np.ndarray]:
    """Outlines of a mask along pixel borders, so that rasterising them gives the mask back.

    Args:
        mask: Array of shape (H, W); non-zero is object.

    Returns:
        One ring of shape (N, 2) for each 4-connected part, holes bridged into it.

    Raises:
        RecordError: the mask is noise: more borders or holes than can be followed.
    """
    mask = np.ascontiguousarray(np.asarray(mask) != 0, dtype=np.uint8)
    check_intricacy(mask)
    outgoing = _border_edges(mask)
    _, parts = cv2.connectedComponents(mask, connectivity=4)
    exteriors: dict[int, np.ndarray] = {}
    holes: dict[int, list[np.ndarray]] = defaultdict(list)
    while outgoing:
        start = next(iter(outgoing))
        ring, pixel = _walk(outgoing, start)
        part = int(parts[pixel])
        if signed_area(ring) > 0:
            exteriors[part] = ring
        else:
            holes[part].append(ring)
    return [bridge_holes(ring, holes[part]) for part, ring in sorted(exteriors.items())]


def _border_edges(mask: np.ndarray) -> dict[tuple[int, int], list]:
    """Pixel borders between object and background as directed edges, object on the right.

    Returns {start (x, y): [(step (dx, dy), pixel (row, column)), ...]}.
    """
    padded = np.pad(mask, 1)
    outgoing: dict[tuple[int, int], list] = defaultdict(list)
    sides = (  # neighbour (row, column), start offset (x, y), step (dx, dy): clockwise on screen
        ((-1, 0), (0, 0), (1, 0)),
        ((0, 1), (1, 0), (0, 1)),
        ((1, 0), (1, 1), (-1, 0)),
        ((0, -1), (0, 1), (0, -1)),
    )
    for (drow, dcol), (dx, dy), step in sides:
        neighbour = padded[1 + drow:padded.shape[0] - 1 + drow, 1 + dcol:padded.shape[1] - 1 + dcol]
        for row, col in np.argwhere((mask == 1) & (neighbour == 0)).tolist():
            outgoing[(col + dx, row + dy)].append((step, (row, col)))
    return outgoing


def _walk(outgoing: dict, start: tuple[int, int]) -> tuple[np.ndarray, tuple[int, int]]:
    """Takes one closed loop out of the edges; returns its corners (N, 2) and a pixel beside it."""
    step, pixel = _take(outgoing, start, None)
    corners, point, first = [start], (start[0] + step[0], start[1] + step[1]), step
    while point != start:
        nxt, _ = _take(outgoing, point, step)
        if nxt != step:
            corners.append(point)
        point, step = (point[0] + nxt[0], point[1] + nxt[1]), nxt
    if step == first:
        corners = corners[1:]
    return np.array(corners, dtype=float), pixel


def _take(outgoing: dict, point: tuple[int, int], came: tuple[int, int] | None) -> tuple:
    """Removes and returns the edge to follow at a corner.

    Where two pixels touch by a corner, two edges leave it; the right turn keeps the pixels apart,
    as 4-connectivity does.
    """
    edges = outgoing[point]
    index = 0
    if came is not None and len(edges) > 1:
        right = (-came[1], came[0])
        index = next(i for i, (step, _) in enumerate(edges) if step == right)
    edge = edges.pop(index)
    if not edges:
        del outgoing[point]
    return edge
