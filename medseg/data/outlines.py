"""The one validator of outlines and run lengths, asked before anything is rasterised.

``pycocotools`` and ``shapely`` trust their input: a coordinate of 1e308 takes gigabytes, run
lengths that do not add up decode memory that was never written, a size of 2147483647 squared ends
the interpreter. Readers, checks, pictures, training and metrics all ask here first.

Coordinates are pixels with (0, 0) the outer corner of the first pixel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as mask_utils

from medseg.errors import shown
from medseg.runtime.images import MAX_PIXELS

from .convert.records import RecordError

MAX_ASPECT = 100
"""Longer side over shorter side; beyond it an image scaled to a model's size has no pixel left."""

MAX_COORDINATE = 1e5
"""Pixels from the corner of the image to a point; outlines may leave the image, not by miles."""

MAX_POINTS = 100_000
"""Points of one object."""

MAX_LENGTH = 2_000_000
"""Pixels along all outlines of one object: rasterising takes time and memory by length."""

_CHARACTERS = 7
"""Characters of one number in compressed run lengths; seven hold 35 bits."""


def is_number(value: Any) -> bool:
    """Whether a JSON value is a finite number that fits a float without loss of range."""
    return type(value) in (int, float) and -1e15 < value < 1e15


def is_whole(value: Any) -> bool:
    """Whether a JSON value is a number without decimals, such as 640 or 640.0."""
    return is_number(value) and value == int(value)


def check_image_size(height: Any, width: Any) -> None:
    """Whether an image may have this size.

    Raises:
        RecordError: a side is no positive whole number, or the image is too large or too narrow.
    """
    if not (is_whole(height) and is_whole(width) and min(height, width) > 0):
        raise RecordError('broken size', f'width {shown(width)} and height {shown(height)} are no '
                          'positive whole numbers')
    if height * width > MAX_PIXELS:
        raise RecordError('too large', f'{width:g}x{height:g}: more than {MAX_PIXELS} pixels; cut '
                          'the image into tiles')
    if max(height, width) > MAX_ASPECT * min(height, width):
        raise RecordError('too narrow', f'{width:g}x{height:g}: one side is more than {MAX_ASPECT} '
                          'times the other; cut the image')


def check_points(points: np.ndarray) -> None:
    """Whether a ring may be measured and rasterised.

    Args:
        points: Float array of shape (N, 2), pixels.

    Raises:
        RecordError: fewer than 3 points or too many, a coordinate that is not finite or miles
            away, or an outline too long to rasterise.
    """
    if len(points) < 3:
        raise RecordError('too few points', f'{len(points)} points, at least 3 make an outline')
    if len(points) > MAX_POINTS:
        raise RecordError('too many points', f'{len(points)} points, at most {MAX_POINTS} are read')
    if not np.isfinite(points).all():
        raise RecordError('not finite', 'a coordinate is not a finite number')
    far = float(np.abs(points).max())
    if far > MAX_COORDINATE:
        raise RecordError('outside the image', f'a coordinate of {far:g} pixels lies outside every '
                          'image')
    length = float(np.abs(np.diff(points, axis=0, append=points[:1])).max(axis=1).sum())
    if length > MAX_LENGTH:
        raise RecordError('outline too long', f'{length:.0f} pixels around, at most {MAX_LENGTH} '
                          'can be rasterised')


def rings_of(segmentation: Sequence[Any]) -> list[np.ndarray]:
    """Rings of a COCO segmentation made of polygons.

    Args:
        segmentation: A list of flat lists x, y, x, y, ... with at least three points.

    Returns:
        Float arrays of shape (N, 2), pixels.

    Raises:
        RecordError: it is none, or :func:`check_points` does not let it pass.
    """
    if not segmentation:
        raise RecordError('broken outline', 'segmentation is empty')
    rings, points = [], 0
    for number, flat in enumerate(segmentation):
        if not isinstance(flat, (list, tuple)) or len(flat) < 6 or len(flat) % 2:
            raise RecordError('broken outline',
                              f'polygon {number} is not three or more pairs x, y')
        points += len(flat) // 2
        if points > MAX_POINTS:
            raise RecordError('too many points', f'more than {MAX_POINTS} points')
        if not all(type(value) in (int, float) for value in flat):
            raise RecordError('broken outline', f'polygon {number} holds what is no number')
        try:
            ring = np.array(flat, dtype=float).reshape(-1, 2)
        except OverflowError as error:
            raise RecordError('not finite', f'polygon {number}: {error}') from error
        rings.append(ring)
    for ring in rings:
        check_points(ring)
    if len(rings) > 1:  # the length of all counts, that of each was checked
        length = sum(float(np.abs(np.diff(ring, axis=0, append=ring[:1])).max(axis=1).sum())
                     for ring in rings)
        if length > MAX_LENGTH:
            raise RecordError('outline too long', f'{length:.0f} pixels around')
    return rings


def run_lengths(counts: Any, total: int) -> np.ndarray:
    """Run lengths of a COCO RLE, decoded and checked.

    Args:
        counts: List of numbers, or their compressed form (text or bytes).
        total: Pixels of the image; the lengths add up to it.

    Returns:
        Integers of shape (R,): zeros first, column by column.

    Raises:
        RecordError: a length is negative or no whole number, they do not add up, or the text is
            no compressed RLE.
    """
    if isinstance(counts, (str, bytes)):
        runs = _decompressed(counts)
    elif isinstance(counts, list):
        if not all(type(value) is int and 0 <= value <= total for value in counts):
            raise RecordError('broken run lengths', 'a run length is negative, too long or no '
                              'whole number')
        runs = np.array(counts, dtype=np.int64)
    else:
        raise RecordError('broken run lengths', f'counts are a {type(counts).__name__}, not a list '
                          'or text')
    if runs.size == 0:
        raise RecordError('zero area', 'empty RLE')
    if runs.min() < 0 or runs.max() > total or int(runs.sum()) != total:
        raise RecordError('broken run lengths', f'run lengths from {runs.min()} to {runs.max()} '
                          f'do not add up to the {total} pixels of the image')
    return runs


def _decompressed(counts: str | bytes) -> np.ndarray:
    """Numbers behind COCO's compressed text, int64; see ``rleFrString`` of pycocotools."""
    try:
        raw = counts.encode('ascii') if isinstance(counts, str) else counts
    except UnicodeEncodeError as error:
        raise RecordError('broken run lengths', 'the compressed text is not ASCII') from error
    codes = np.frombuffer(raw, dtype=np.uint8).astype(np.int64) - 48
    if codes.size == 0:
        return codes
    if codes.min() < 0 or codes.max() > 63:
        raise RecordError('broken run lengths', 'a character that no compressed RLE has')
    last = (codes & 0x20) == 0  # of the characters that make a number
    if not last[-1]:
        raise RecordError('broken run lengths', 'the compressed text ends inside a number')
    ends = np.flatnonzero(last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    if (ends - starts).max() >= _CHARACTERS:
        raise RecordError('broken run lengths', 'a number of the compressed text is too long')
    place = np.arange(codes.size) - np.repeat(starts, ends - starts + 1)
    values = np.add.reduceat((codes & 0x1f) << (5 * place), starts)
    negative = (codes[ends] & 0x10) != 0
    values[negative] -= 1 << (5 * (ends - starts + 1)[negative])
    # from the fourth on they are differences to the one before the last
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def rle_of(segmentation: Mapping[str, Any], height: int, width: int) -> dict[str, Any]:
    """A COCO RLE that is safe to decode.

    Args:
        segmentation: ``size`` (height, width) and ``counts``, a list or compressed text.
        height: Image height in pixels.
        width: Image width in pixels.

    Returns:
        ``size`` and ``counts`` as they came.

    Raises:
        RecordError: the size is not the image's, or :func:`run_lengths` does not let it pass.
    """
    size = segmentation.get('size')
    if (not isinstance(size, (list, tuple)) or len(size) != 2 or not all(map(is_whole, size))
            or tuple(size) != (height, width)):
        raise RecordError('wrong size', f'RLE of height, width {shown(size)} for an image of '
                          f'{width}x{height}')
    if height * width > MAX_PIXELS:
        raise RecordError('too large', f'a mask of {width}x{height}')
    run_lengths(segmentation.get('counts'), height * width)
    return {'size': [int(height), int(width)], 'counts': segmentation['counts']}


def encoded(segmentation: Any, height: int, width: int) -> dict[str, Any]:
    """A COCO segmentation, polygons or RLE, as compressed RLE that is safe to decode.

    Args:
        segmentation: What the file holds.
        height: Image height in pixels.
        width: Image width in pixels.

    Raises:
        RecordError: it may not be rasterised; the reason says why.
    """
    if isinstance(segmentation, Mapping):
        rle = rle_of(segmentation, height, width)
        return mask_utils.frPyObjects(rle, height, width) if isinstance(rle['counts'], list) \
            else rle
    if not isinstance(segmentation, (list, tuple)):
        raise RecordError('broken outline',
                          f'segmentation is a {type(segmentation).__name__}, not polygons or RLE')
    flat = [ring.reshape(-1).tolist() for ring in rings_of(segmentation)]
    return mask_utils.merge(mask_utils.frPyObjects(flat, height, width))


def rle_mask(segmentation: Mapping[str, Any], height: int, width: int) -> np.ndarray:
    """Mask of a COCO RLE, uint8 of shape (height, width), 0 or 1.

    Raises:
        RecordError: as :func:`encoded`.
    """
    return np.ascontiguousarray(mask_utils.decode(encoded(segmentation, height, width)))
