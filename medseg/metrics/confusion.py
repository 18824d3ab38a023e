"""Which class is taken for which, which images go well: at one IoU and one confidence."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pycocotools import mask as mask_utils

from .precision_recall import Detections

IOU = 0.5


@dataclass
class Confusion:
    """Counts over images; feed it with :meth:`add`.

    Args:
        classes (int): Number of classes.
        score_thr (float): Instances below it do not count, except in :meth:`detections`.

    Attributes:
        matrix (np.ndarray): (classes + 1, classes + 1) int64: truth by row, prediction by column;
            the last row is background that was taken for an object, the last column objects that
            were missed.
        quality (dict): Panoptic quality of each image, 0 to 1, by its id: the IoU of matched
            objects of one class, summed, over matches and half of the misses and false alarms.
    """

    classes: int
    score_thr: float
    matrix: np.ndarray = field(init=False)
    quality: dict[Any, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.matrix = np.zeros((self.classes + 1, self.classes + 1), np.int64)
        self._scores: list[list[float]] = [[] for _ in range(self.classes)]
        self._hits: list[list[bool]] = [[] for _ in range(self.classes)]
        self._targets = [0] * self.classes

    def add(self, image_id: Any, truth: Sequence[tuple[int, Mapping]],
            found: Sequence[tuple[int, Mapping, float]]) -> None:
        """Count one image.

        Args:
            image_id: Its id.
            truth: Label and compressed RLE of each object.
            found: Label, compressed RLE and score of each prediction.
        """
        found = sorted(found, key=lambda item: -item[2])
        overlaps = np.zeros((len(found), len(truth)))
        if found and truth:
            overlaps = np.array(mask_utils.iou([rle for _, rle, _ in found],
                                               [rle for _, rle in truth], [0] * len(truth)))
        labels = np.array([label for label, _ in truth], int)
        mine = np.array([label for label, _, _ in found], int)
        same = mine[:, None] == labels
        for label, (_, _, score), partner in zip(mine, found, _greedy(overlaps * same),
                                                 strict=True):
            self._scores[label].append(score)
            self._hits[label].append(partner is not None)
        for label in labels:
            self._targets[label] += 1
        sure = sum(score >= self.score_thr for _, _, score in found)
        partners = _greedy(overlaps[:sure])
        for label, partner in zip(mine, partners, strict=False):
            self.matrix[self.classes if partner is None else labels[partner], label] += 1
        for index in set(range(len(truth))) - set(partners):
            self.matrix[labels[index], self.classes] += 1
        pairs = [(row, column) for row, column in enumerate(_greedy((overlaps * same)[:sure]))
                 if column is not None]
        total = len(pairs) + 0.5 * (sure - len(pairs)) + 0.5 * (len(truth) - len(pairs))
        if total:
            self.quality[image_id] = float(sum(overlaps[pair] for pair in pairs) / total)

    def detections(self) -> list[Detections]:
        """Of each class at IoU 0.5, whatever their score."""
        return [Detections(np.array(scores, float), np.array(hits, bool), targets)
                for scores, hits, targets in zip(self._scores, self._hits, self._targets,
                                                 strict=True)]


def _greedy(overlaps: np.ndarray) -> list[int | None]:
    """Column of each row in turn: the best still free with an IoU of at least one half."""
    free = np.ones(overlaps.shape[1], bool)
    partners: list[int | None] = []
    for row in overlaps:
        column = int(np.argmax(row * free)) if free.any() else None
        if column is not None and row[column] >= IOU and free[column]:
            free[column] = False
            partners.append(column)
        else:
            partners.append(None)
    return partners
