"""Normalised surface distance (NSD): the share of two contours that lie close together.

The contour of a mask is its pixels with a 4-neighbour outside the mask (beyond the image's edge is
outside). NSD at a tolerance of t pixels is the number of contour pixels of either mask no farther
than t (Euclidean, centre to centre) from the other's contour, divided by the number of all contour
pixels of both. 1: the contours agree everywhere within the tolerance; 0: nowhere.

Over a data set it is taken on the true positives: pairs matched at mask IoU 0.5 whose score reaches
the best-F1 confidence. A class's ``nsd`` is the mean over its true positives: contour quality of
what was found, in which false positives and missed instances play no part (precision and recall
count those). ``nsd_all`` charges them as panoptic quality does, with NSD 0 at half weight each:
sum of NSD / (TP + FP/2 + FN/2). A class with ground truth and no true positive has 0 in both; a
class without ground truth is left out of the mean.
"""
from dataclasses import dataclass

import cv2
import numpy as np
from pycocotools import mask as mask_utils

from .boundary import Patch, patch_from_rle
from .fast_cocoeval import FastCOCOeval

_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def contour(mask: np.ndarray) -> np.ndarray:
    """Contour pixels (see above) of a bool mask: bool, (height, width) alike."""
    inner = cv2.erode(mask.astype(np.uint8), _CROSS, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return mask & (inner == 0)


def normalised_surface_distance(mask_a: np.ndarray, mask_b: np.ndarray,
                                tolerance: float = 3) -> float:
    """NSD of two masks of one image, in [0, 1]; 1 if both are empty, 0 if one is.

    Args:
        mask_a, mask_b: bool or 0/1, both (height, width).
        tolerance: In pixels, at least 0.

    Raises:
        ValueError: The masks' shapes differ, or the tolerance is negative.
    """
    if np.shape(mask_a) != np.shape(mask_b):
        raise ValueError(f'masks of shapes {np.shape(mask_a)} and {np.shape(mask_b)} differ')
    patches = [
        patch_from_rle(mask_utils.encode(np.asfortranarray(mask, dtype=np.uint8)))
        for mask in (mask_a, mask_b)
    ]
    return patch_nsd(*patches, tolerance)


def patch_nsd(a: Patch, b: Patch, tolerance: float) -> float:
    """``normalised_surface_distance`` of two masks given as patches of one image."""
    if tolerance < 0:
        raise ValueError(f'tolerance {tolerance} px is negative')
    if not a.mask.size or not b.mask.size:
        return float(a.mask.size == b.mask.size)
    x0, y0 = min(a.x, b.x), min(a.y, b.y)
    x1 = max(a.x + a.mask.shape[1], b.x + b.mask.shape[1])
    y1 = max(a.y + a.mask.shape[0], b.y + b.mask.shape[0])
    contours = []
    for patch in (a, b):
        canvas = np.zeros((y1 - y0, x1 - x0), dtype=bool)
        height, width = patch.mask.shape
        canvas[patch.y - y0:patch.y - y0 + height,
               patch.x - x0:patch.x - x0 + width] = contour(patch.mask)
        contours.append(canvas)
    near = total = 0
    for own, other in (contours, contours[::-1]):
        distance = cv2.distanceTransform(
            (~other).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        # Distances are square roots of whole numbers in single precision.
        near += int(np.count_nonzero(distance[own] <= tolerance + 1e-4))
        total += int(np.count_nonzero(own))
    return near / total


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
        max_dets: Detections considered for each image.
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
