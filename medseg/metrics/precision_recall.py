"""Precision and recall at the best-F1 confidence, as YOLO reports them.

Definition. Every detection is a true or a false positive at IoU 0.5. For each class, precision and
recall are functions of the confidence threshold c: those of the detections with score >= c. Both
are read at 1000 thresholds evenly spaced over [0, 1], linearly between the scores that occur; above
the highest score precision is 1 and recall 0, below the lowest they keep their last value. Their
F1 is averaged over the classes that have ground truth and smoothed with a box of 101 thresholds
(edges repeated). The threshold with the highest smoothed F1, one for all classes, is the best-F1
confidence; precision and recall at it (unsmoothed), averaged over those classes, are the figures.

Which detection is a true positive: COCO's matching, by falling score, each detection taking the
best ground truth of its class still free. Ultralytics' matching is the same in its present
releases; earlier ones let a detection fall back to no second choice, which changes nothing unless
one detection overlaps two ground truths by half.
"""
from dataclasses import dataclass

import numpy as np

CONFIDENCES = np.linspace(0, 1, 1000)
SMOOTHING_WIDTH = 101
RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Detections:
    """One class's detections over a set of images, in any order.

    Attributes:
        scores: Confidences in [0, 1], (n,).
        hits: True positives at IoU 0.5, bool, (n,).
        targets: Number of ground truths of the class.
    """
    scores: np.ndarray
    hits: np.ndarray
    targets: int

    def __post_init__(self) -> None:
        if np.shape(self.scores) != np.shape(self.hits) or np.ndim(self.scores) != 1:
            raise ValueError(
                f'scores {np.shape(self.scores)} and hits {np.shape(self.hits)} must be '
                'one-dimensional and of equal length')

    def curve(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scores in falling order and precision and recall of the detections up to each: (n,)."""
        order = np.argsort(-self.scores, kind='stable')
        hits = np.cumsum(self.hits[order])
        found = np.arange(1, hits.size + 1)
        return self.scores[order], hits / found, hits / max(self.targets, 1)


@dataclass(frozen=True)
class OperatingPoint:
    """Figures at the best-F1 confidence; per-class arrays hold -1 where a class has no target.

    Attributes:
        confidence: The threshold, in [0, 1]; 0 where nothing was found.
        precision, recall, f1: In [0, 1], (classes,).
        ap50: Average precision at IoU 0.5 as YOLO integrates it, (classes,).
    """
    confidence: float
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    ap50: np.ndarray

    def mean(self, name: str) -> float:
        """Mean of one per-class figure over the classes with ground truth; -1 without any."""
        values = getattr(self, name)
        values = values[values >= 0]
        return float(values.mean()) if values.size else -1.0


def confidence_curves(classes: list[Detections]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision, recall and F1 of each class at every confidence: (classes, 1000) each.

    All three are 0 for a class without ground truth or without a detection.
    """
    precision, recall = np.zeros((2, len(classes), CONFIDENCES.size))
    for i, detections in enumerate(classes):
        if detections.targets and detections.scores.size:
            scores, p, r = detections.curve()
            # np.interp wants rising abscissas: negated scores rise.
            precision[i] = np.interp(-CONFIDENCES, -scores, p, left=1)
            recall[i] = np.interp(-CONFIDENCES, -scores, r, left=0)
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    return precision, recall, f1


def best_f1_point(classes: list[Detections]) -> OperatingPoint:
    """Precision and recall of each class at the confidence with the best mean F1 (see above).

    A class with ground truth and no detection counts with precision 0 and recall 0; a class
    without ground truth counts nowhere.
    """
    precision, recall, f1 = confidence_curves(classes)
    present = np.array([c.targets > 0 for c in classes], dtype=bool)
    ap50 = np.zeros(len(classes))
    for i, detections in enumerate(classes):
        if present[i] and detections.scores.size:
            ap50[i] = interpolated_ap(*detections.curve()[1:])
    best = int(smooth(f1[present].mean(axis=0)).argmax()) if present.any() else 0

    def pick(values: np.ndarray) -> np.ndarray:
        return np.where(present, values, -1.0)

    return OperatingPoint(
        float(CONFIDENCES[best]), pick(precision[:, best]), pick(recall[:, best]),
        pick(f1[:, best]), pick(ap50))


def smooth(values: np.ndarray, width: int = SMOOTHING_WIDTH) -> np.ndarray:
    """Running mean over an odd number of values, the edge values repeated outside: (n,) → (n,)."""
    padded = np.pad(values, width // 2, mode='edge')
    return np.convolve(padded, np.full(width, 1 / width), mode='valid')


def envelope(precision: np.ndarray) -> np.ndarray:
    """Highest precision at or behind each place: (n,) → (n,), falling."""
    return np.maximum.accumulate(precision[::-1])[::-1]


def precision_at(precision: np.ndarray, recall: np.ndarray, levels: np.ndarray = RECALLS
                 ) -> np.ndarray:
    """Highest precision reached at or beyond each recall level, as COCO's AP averages it.

    Args:
        precision, recall (np.ndarray): Of the detections up to each, by falling score, (n,).
        levels (np.ndarray): Rising, in [0, 1].

    Returns:
        np.ndarray: (levels,); 0 where the recall is never reached.
    """
    index = np.searchsorted(recall, levels, side='left')
    return np.append(envelope(precision), 0.0)[index]


def interpolated_ap(precision: np.ndarray, recall: np.ndarray) -> float:
    """Area under the precision envelope at 101 recalls by the trapezoid rule, as YOLO takes it.

    COCO's AP averages a staircase at the same 101 recalls instead. With hundreds of ground truths
    the two agree to about 0.002; with a handful they differ by more.

    Args:
        precision, recall: By falling score, (n,), n >= 1.
    """
    recall = np.concatenate([[0.0], recall, [recall[-1], 1.0]])
    precision = np.concatenate([[1.0], precision, [0.0, 0.0]])
    heights = np.interp(RECALLS, recall, envelope(precision))
    return float(((heights[1:] + heights[:-1]) / 2).mean())
