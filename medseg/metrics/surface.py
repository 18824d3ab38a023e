"""Normalised surface distance (NSD): the share of two contours that lie close together.

NSD at a tolerance of t is the length of either mask's contour that lies no farther than t from the
other's, divided by the length of both contours (Nikolov et al., *Clinically applicable segmentation
of head and neck anatomy*, 2021). The figures are those of its authors' ``surface-distance``: in
volumes the area of the surfaces takes the place of the length. 1: the contours agree everywhere
within the tolerance; 0: nowhere. What lies beyond the image's edge is outside.

Over a data set it is taken on the true positives: pairs matched at mask IoU 0.5 whose score reaches
the best-F1 confidence. A class's ``nsd`` is the mean over its true positives: contour quality of
what was found, in which false positives and missed instances play no part (precision and recall
count those). ``nsd_all`` charges them as panoptic quality does, with NSD 0 at half weight each:
sum of NSD / (TP + FP/2 + FN/2). A class with ground truth and no true positive has 0 in both; a
class without ground truth is left out of the mean.
"""
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from surface_distance import compute_surface_dice_at_tolerance, compute_surface_distances

from .boundary import Patch, patch_from_rle
from .fast_cocoeval import FastCOCOeval


def normalised_surface_distance(mask_a: np.ndarray, mask_b: np.ndarray, tolerance: float = 3,
                                spacing: Sequence[float] | None = None) -> float:
    """NSD of two masks of one image or volume, in [0, 1]; 1 if both are empty, 0 if one is.

    Args:
        mask_a, mask_b (np.ndarray): bool or 0/1, both (height, width) or (depth, height, width).
        tolerance (float): In pixels, or in the unit of ``spacing``; at least 0.
        spacing (Sequence[float], optional): Size of a pixel along each axis; None: 1.

    Raises:
        ValueError: The masks' shapes differ, or the tolerance is negative.
    """
    if np.shape(mask_a) != np.shape(mask_b):
        raise ValueError(f'masks of shapes {np.shape(mask_a)} and {np.shape(mask_b)} differ')
    if tolerance < 0:
        raise ValueError(f'tolerance {tolerance} is negative')
    mask_a, mask_b = np.asarray(mask_a, bool), np.asarray(mask_b, bool)
    if not mask_a.any() or not mask_b.any():
        return float(mask_a.any() == mask_b.any())
    distances = compute_surface_distances(
        mask_a, mask_b, (1.0,) * mask_a.ndim if spacing is None else tuple(spacing))
    return float(compute_surface_dice_at_tolerance(distances, tolerance))


def patch_nsd(a: Patch, b: Patch, tolerance: float) -> float:
    """:func:`normalised_surface_distance` of two masks given as patches of one image."""
    if not a.mask.size or not b.mask.size:
        return float(a.mask.size == b.mask.size)
    x0, y0 = min(a.x, b.x), min(a.y, b.y)
    x1 = max(a.x + a.mask.shape[1], b.x + b.mask.shape[1])
    y1 = max(a.y + a.mask.shape[0], b.y + b.mask.shape[0])
    canvases = []
    for patch in (a, b):
        canvas = np.zeros((y1 - y0, x1 - x0), dtype=bool)
        height, width = patch.mask.shape
        canvas[patch.y - y0:patch.y - y0 + height,
               patch.x - x0:patch.x - x0 + width] = patch.mask
        canvases.append(canvas)
    return normalised_surface_distance(*canvases, tolerance)


@dataclass(frozen=True)
class ClassContours:
    """One class's detections at a confidence, with the contour quality of those that are right.

    Images are given by their position in the evaluator's ``params.imgIds``.

    Attributes:
        hits (np.ndarray): Images of the true positives, (n,).
        values (np.ndarray): Their NSD, in [0, 1], (n,).
        false_positives (np.ndarray): Images of the false positives, (m,).
        targets (np.ndarray): Images of the ground truths, (t,).
    """

    hits: np.ndarray
    values: np.ndarray
    false_positives: np.ndarray
    targets: np.ndarray

    def nsd(self, weights: np.ndarray | None = None) -> tuple[float, float]:
        """(nsd, nsd_all) of the class, each in [0, 1]; both -1 without ground truth.

        Args:
            weights: How often each image counts, (images,); None: once.
        """
        def count(images: np.ndarray) -> np.ndarray:
            return np.ones(len(images)) if weights is None else weights[images]

        targets, each = count(self.targets).sum(), count(self.hits)
        if targets == 0:
            return -1.0, -1.0
        found, quality = each.sum(), float(each @ self.values)
        if found == 0:
            return 0.0, 0.0
        wrong = count(self.false_positives).sum() + targets - found
        return quality / found, quality / (found + wrong / 2)


def class_contours(evaluator: FastCOCOeval, class_index: int, confidence: float, max_dets: int,
                   tolerance: float) -> ClassContours:
    """The contours of one class of an evaluated 'segm' evaluator.

    Args:
        evaluator: After ``evaluate()``, the first IoU threshold being 0.5.
        class_index: Position in ``evaluator.params.catIds``.
        confidence: Detections with a lower score are left out.
        max_dets: Detections considered in each image.
        tolerance: In pixels.
    """
    hits, values, false_positives, targets = [], [], [], []
    anns = evaluator.cocoGt.anns
    for record in evaluator.class_records(class_index):
        image = int(np.searchsorted(evaluator.params.imgIds, record['image_id']))
        targets += [image] * int(np.count_nonzero(~record['gtIgnore']))
        for d, dt_id in enumerate(record['dtIds'][:max_dets]):
            if record['dtScores'][d] < confidence or record['dtIgnore'][0, d]:
                continue
            partner = record['dtMatches'][0, d]
            if partner == 0:
                false_positives.append(image)
                continue
            gt = anns[record['gtIds'][partner - 1]]
            dt = evaluator.cocoDt.anns[dt_id]
            hits.append(image)
            values.append(patch_nsd(
                patch_from_rle(dt['segmentation']), patch_from_rle(gt['segmentation']), tolerance))
    return ClassContours(np.array(hits, int), np.array(values, float),
                         np.array(false_positives, int), np.array(targets, int))
