"""Which of several detections of one object stay."""
from __future__ import annotations

import numpy as np


def nms(boxes: np.ndarray, labels: np.ndarray, iou_threshold: float, limit: int) -> np.ndarray:
    """Greedy non-maximum suppression within each class.

    Args:
        boxes (np.ndarray): (n, 4), by descending score.
        labels (np.ndarray): (n,).
        iou_threshold (float): A box goes when it overlaps a kept one of its class by more.
        limit (int): How many to keep at most; the search ends there.

    Returns:
        np.ndarray: Indices of the kept ones, ascending.
    """
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    alive = np.arange(len(boxes))
    kept: list[int] = []
    while len(alive) and len(kept) < limit:
        best, alive = alive[0], alive[1:]
        kept.append(int(best))
        others = boxes[alive]
        width = np.minimum(others[:, 2], boxes[best, 2]) - np.maximum(others[:, 0], boxes[best, 0])
        height = np.minimum(others[:, 3], boxes[best, 3]) - np.maximum(
            others[:, 1], boxes[best, 1])
        common = np.maximum(width, 0) * np.maximum(height, 0)
        # Without a division: boxes without area must not make a warning.
        suppressed = common > iou_threshold * (area[best] + area[alive] - common)
        alive = alive[~(suppressed & (labels[alive] == labels[best]))]
    return np.array(kept, dtype=np.int64)


def shown_once(masks: np.ndarray, limit: float, least: int = 0) -> np.ndarray:
    """Which masks stay when one object is to be shown once.

    Args:
        masks (np.ndarray): (n, pixels) float32, 0 or 1, best first.
        limit (float): See :attr:`.cleanup.CleanUp.twice`.
        least (int): Pairs of which one has fewer pixels both stay.

    Returns:
        np.ndarray: Indices, ascending.
    """
    common, areas = masks @ masks.T, masks.sum(1)
    smaller = np.minimum(areas[:, None], areas)
    # One that lies in the other shares more with the smaller than with the union.
    same = (common > limit * smaller) & (smaller >= least)
    kept: list[int] = []
    for index in range(len(masks)):
        if not same[index, kept].any():
            kept.append(index)
    return np.array(kept, dtype=np.int64)
