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
        iou_thr (float): From which overlap on a prediction and an object are a pair.

    Attributes:
        matrix (np.ndarray): (classes + 1, classes + 1) int64: truth by row, prediction by column;
            the last row is background that was taken for an object, the last column objects that
            were missed.
        quality (dict): Panoptic quality of each image, 0 to 1, by its id: the IoU of matched
            objects of one class, summed, over matches and half of the misses and false alarms.
    """

    classes: int
    score_thr: float
    iou_thr: float = IOU
    matrix: np.ndarray = field(init=False)
    quality: dict[Any, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.matrix = np.zeros((self.classes + 1, self.classes + 1), np.int64)
        self._scores: list[list[float]] = [[] for _ in range(self.classes)]
        self._hits: list[list[bool]] = [[] for _ in range(self.classes)]
        self._targets = [0] * self.classes

    def add(self, image_id: Any, truth: Sequence[tuple[int, Mapping]],
            found: Sequence[tuple[int, Mapping, float]],
            crowds: Sequence[tuple[int, Mapping]] = ()) -> None:
        """Count one image.

        Args:
            image_id: Its id.
            truth: Label and compressed RLE of each object.
            found: Label, compressed RLE and score of each prediction.
            crowds: Label and RLE of areas with many objects; a prediction of their class that lies
                in one, and on no object, does not count.

        Boxes (x, y, width, height in pixels) may stand in place of all RLEs.
        """
        found = self._off_crowds(truth, found, crowds)
        found = sorted(found, key=lambda item: -item[2])
        overlaps = np.zeros((len(found), len(truth)))
        if found and truth:
            overlaps = np.array(mask_utils.iou([rle for _, rle, _ in found],
                                               [rle for _, rle in truth], [0] * len(truth)))
        labels = np.array([label for label, _ in truth], int)
        mine = np.array([label for label, _, _ in found], int)
        same = mine[:, None] == labels
        right = _greedy(overlaps * same, self.iou_thr)
        for label, (_, _, score), partner in zip(mine, found, right, strict=True):
            self._scores[label].append(score)
            self._hits[label].append(partner is not None)
        for label in labels:
            self._targets[label] += 1
        sure = sum(score >= self.score_thr for _, _, score in found)
        partners = _greedy(overlaps[:sure], self.iou_thr)
        for label, partner in zip(mine, partners, strict=False):
            self.matrix[self.classes if partner is None else labels[partner], label] += 1
        for index in set(range(len(truth))) - set(partners):
            self.matrix[labels[index], self.classes] += 1
        pairs = [(row, column) for row, column in enumerate(
            _greedy((overlaps * same)[:sure], self.iou_thr)) if column is not None]
        total = len(pairs) + 0.5 * (sure - len(pairs)) + 0.5 * (len(truth) - len(pairs))
        if total:
            self.quality[image_id] = float(sum(overlaps[pair] for pair in pairs) / total)

    def _off_crowds(self, truth: Sequence[tuple[int, Mapping]],
                    found: Sequence[tuple[int, Mapping, float]],
                    crowds: Sequence[tuple[int, Mapping]]) -> Sequence[tuple[int, Mapping, float]]:
        if not crowds or not found:
            return found
        areas = [area for _, area, _ in found]
        # Of a crowd "IoU" is the share of the prediction that lies in it.
        inside = np.asarray(mask_utils.iou(areas, [area for _, area in crowds], [1] * len(crowds)))
        same = np.array([[mine == label for label, _ in crowds] for mine, _, _ in found])
        dropped = ((inside >= self.iou_thr) & same).any(axis=1)
        if truth:
            real = np.asarray(mask_utils.iou(areas, [area for _, area in truth],
                                             [0] * len(truth)))
            dropped &= real.max(axis=1) < self.iou_thr
        return [item for item, gone in zip(found, dropped, strict=True) if not gone]

    def detections(self) -> list[Detections]:
        """Of each class, whatever their score."""
        return [Detections(np.array(scores, float), np.array(hits, bool), targets)
                for scores, hits, targets in zip(self._scores, self._hits, self._targets,
                                                 strict=True)]


def _greedy(overlaps: np.ndarray, least: float) -> list[int | None]:
    """Column of each row in turn: the best still free with an IoU of at least ``least``."""
    free = np.ones(overlaps.shape[1], bool)
    partners: list[int | None] = []
    for row in overlaps:
        column = int(np.argmax(row * free)) if free.any() else None
        if column is not None and row[column] >= least and free[column]:
            free[column] = False
            partners.append(column)
        else:
            partners.append(None)
    return partners
