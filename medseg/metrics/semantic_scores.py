"""Overlap and contour figures of class areas, image by image.

A class's area in an image is a mask of any shape; classes may overlap. With A the predicted and B
the true area:

- *Dice* is 2 |A and B| / (|A| + |B|), *IoU* |A and B| / |A or B|.
- *HD95*: of the distances (pixels, centre to centre) of the contour pixels of A to the contour of
  B, the 95th percentile; the same from B to A; the greater of the two. Contour pixels have a
  4-neighbour outside, the image's edge being outside.
- *NSD*: the share of both contours within a tolerance of the other one; see :mod:`.surface`.

Empty areas: if both are empty the image says nothing about the class, and every figure is NaN and
left out of means. If one of them is, Dice, IoU and NSD are 0 and HD95 is the image's diagonal: the
worst, so that a model does not gain by predicting nothing.
"""
from __future__ import annotations

import cv2
import numpy as np

from .surface import normalised_surface_distance

#: Figures of :func:`area_figures`, in its order.
FIGURES = ('dice', 'iou', 'hd95', 'nsd')
#: Whether more is better.
RISING = {'dice': True, 'iou': True, 'hd95': False, 'nsd': True}
_PERCENTILE = 95
_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def contour(mask: np.ndarray) -> np.ndarray:
    """Contour pixels (see above) of a bool mask: bool, (H, W) alike."""
    inner = cv2.erode(mask.astype(np.uint8), _CROSS, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return mask & (inner == 0)


def contour_distances(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances of each contour pixel of ``a`` to the contour of ``b``, and the other way.

    Args:
        a, b (np.ndarray): bool (H, W), neither empty.

    Returns:
        tuple: (n,) and (m,) float32, in pixels.
    """
    both = a | b
    rows, columns = np.flatnonzero(both.any(1)), np.flatnonzero(both.any(0))
    window = np.s_[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
    contours = [contour(np.ascontiguousarray(mask[window])) for mask in (a, b)]
    found = []
    for own, other in (contours, contours[::-1]):
        distance = cv2.distanceTransform((~other).astype(np.uint8), cv2.DIST_L2,
                                         cv2.DIST_MASK_PRECISE)
        found.append(distance[own])
    return found[0], found[1]


def area_figures(predicted: np.ndarray, true: np.ndarray, tolerance: float = 3
                 ) -> tuple[float, float, float, float]:
    """Dice, IoU, HD95 (pixels) and NSD of one class in one image; see above for empty areas.

    Args:
        predicted, true (np.ndarray): bool (H, W).
        tolerance (float): Of NSD, in pixels, at least 0.

    Raises:
        ValueError: The shapes differ, or the tolerance is negative.
    """
    if predicted.shape != true.shape:
        raise ValueError(f'masks of shapes {predicted.shape} and {true.shape} differ')
    if tolerance < 0:
        raise ValueError(f'tolerance {tolerance} px is negative')
    sizes = np.count_nonzero(predicted), np.count_nonzero(true)
    if not any(sizes):
        return (np.nan,) * 4
    if not all(sizes):
        return 0.0, 0.0, float(np.hypot(*true.shape)), 0.0
    common = np.count_nonzero(predicted & true)
    there, back = contour_distances(predicted, true)
    hd95 = max(np.percentile(there, _PERCENTILE), np.percentile(back, _PERCENTILE))
    return (2 * common / sum(sizes), common / (sum(sizes) - common), float(hd95),
            normalised_surface_distance(predicted, true, tolerance))


def weighted_means(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Means over images, defined values alone.

    Args:
        values (np.ndarray): (images, classes), NaN where undefined.
        weights (np.ndarray): How often each image counts, (..., images).

    Returns:
        np.ndarray: (..., classes); NaN where no image counts.
    """
    defined = ~np.isnan(values)
    total = weights @ defined
    sums = weights @ np.where(defined, values, 0.0)
    return np.divide(sums, total, out=np.full(np.shape(total), np.nan), where=total > 0)


def group_means(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Each patient's own mean: (images, classes) and a patient's index of each image ->
    (patients, classes), NaN where a patient has no defined value."""
    count = int(groups.max()) + 1 if len(groups) else 0
    return weighted_means(values, np.eye(count)[:, groups] if count else np.zeros((0, 0)))


def mean_over_classes(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis, undefined classes left out; NaN where all are."""
    defined = ~np.isnan(values)
    count = defined.sum(-1)
    return np.divide(np.where(defined, values, 0.0).sum(-1), count,
                     out=np.full(np.shape(count), np.nan), where=count > 0)
