"""Detections of a class matched to ground truth: what AP, precision and recall, and intervals read.

A detection is a hit or a miss at each IoU threshold, and belongs to an image; that is enough for
every figure built on true and false positives, of the whole set or of a weighted one. In a weighted
set an image counts as often as its weight says. The AP of weighted detections equals the AP of a
set in which the image occurs that many times: within a run of equal detections precision is highest
at the end of hits and at the start of misses, which the envelope takes anyway.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .precision_recall import RECALLS, Detections, precision_at


@dataclass(frozen=True)
class ClassMatches:
    """One class's detections over all images, by falling score.

    Attributes:
        images (np.ndarray): Index of each detection's image, (n,).
        scores (np.ndarray): Confidences, (n,).
        hits (np.ndarray): Matched at each IoU threshold, bool, (thresholds, n).
        counted (np.ndarray): Neither matched to a crowd nor ignored otherwise, (thresholds, n).
        targets (np.ndarray): Ground truths in each image, (images,).
    """

    images: np.ndarray
    scores: np.ndarray
    hits: np.ndarray
    counted: np.ndarray
    targets: np.ndarray

    def detections(self, threshold: int = 0) -> Detections:
        """The counted detections at one IoU threshold; crowds are no targets, no hits, no misses.
        """
        counted = self.counted[threshold]
        return Detections(self.scores[counted], self.hits[threshold, counted],
                          int(self.targets.sum()))

    def precision_recall(self, weights: np.ndarray | None = None
                         ) -> tuple[np.ndarray, np.ndarray]:
        """Precision and recall of the detections up to each, both (thresholds, n), in [0, 1].

        Args:
            weights (np.ndarray, optional): How often each image counts, (images,); None: once.
                The class needs a ground truth in an image that counts.
        """
        weight = 1 if weights is None else weights[self.images]
        total = self.targets.sum() if weights is None else self.targets @ weights
        hits = np.cumsum(self.hits * self.counted * weight, axis=1)
        misses = np.cumsum(~self.hits * self.counted * weight, axis=1)
        return hits / (hits + misses + np.spacing(1)), hits / total

    def precision_at(self, levels: np.ndarray = RECALLS, weights: np.ndarray | None = None
                     ) -> np.ndarray:
        """Highest precision at or beyond each recall level, (thresholds, levels).

        Args:
            levels (np.ndarray): Recalls, rising, in [0, 1].
            weights (np.ndarray, optional): See :meth:`precision_recall`.
        """
        curves = zip(*self.precision_recall(weights), strict=True)
        return np.array([precision_at(precision, recall, levels) for precision, recall in curves])

    def average_precision(self, weights: np.ndarray | None = None) -> np.ndarray:
        """COCO's AP at each IoU threshold, (thresholds,); -1 without ground truth."""
        if not (self.targets.any() if weights is None else self.targets @ weights):
            return np.full(len(self.hits), -1.0)
        return self.precision_at(weights=weights).mean(axis=1)

    def of_images(self, chosen: np.ndarray) -> ClassMatches:
        """The same of some images; their indices stay.

        Args:
            chosen (np.ndarray): Which images, bool, (images,).
        """
        if chosen.all():
            return self
        kept = chosen[self.images]
        return ClassMatches(self.images[kept], self.scores[kept], self.hits[:, kept],
                            self.counted[:, kept], self.targets * chosen)

    def curve(self, threshold: int = 0, points: int = 51) -> list[float] | None:
        """Precision at ``points`` recalls evenly spaced over [0, 1]; None without ground truth."""
        if not self.targets.any():
            return None
        return self.precision_at(np.linspace(0, 1, points))[threshold].round(4).tolist()


def class_matches(records: Sequence[Mapping], image_ids: Sequence, thresholds: int,
                  max_dets: int) -> ClassMatches:
    """Join the records of a class, one per image, as pycocotools' ``evalImgs`` has them.

    Args:
        records (Sequence[Mapping]): Of one class and area range; images without any left out.
        image_ids (Sequence): All images, in the order of the indices.
        thresholds (int): Number of IoU thresholds.
        max_dets (int): Detections per image that count, the best ones.
    """
    place = {image: index for index, image in enumerate(image_ids)}
    counts = [len(r['dtScores'][:max_dets]) for r in records]
    images = np.repeat([place[r['image_id']] for r in records], counts).astype(np.int64)
    scores = np.concatenate([np.zeros(0), *(r['dtScores'][:max_dets] for r in records)])
    order = np.argsort(-scores, kind='mergesort')
    empty = np.zeros((thresholds, 0), bool)
    hits = np.concatenate([empty, *(r['dtMatches'][:, :max_dets] > 0 for r in records)], axis=1)
    ignored = np.concatenate([empty, *(r['dtIgnore'][:, :max_dets] for r in records)], axis=1)
    targets = np.zeros(len(image_ids), np.int64)
    for r in records:
        targets[place[r['image_id']]] = np.count_nonzero(~r['gtIgnore'])
    return ClassMatches(images[order], scores[order], hits[:, order], ~ignored[:, order], targets)
