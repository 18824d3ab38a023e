"""Whether a score of 0.8 means that 8 of 10 such detections are right.

Definition. A detection is right when it matches a truth of its class at IoU 0.5, by COCO's rule.
The scores from 0 to 1 fall into bins of equal width (the first holds 0, each its upper end). In a
bin with n detections let *confidence* be their mean score and *accuracy* the share that is right.
The expected calibration error (ECE; Naeini et al., AAAI 2015) is the mean of
|accuracy - confidence| over the bins, weighted by n. Truths that no detection finds do not enter:
calibration says what a score is worth, not what is missed.

A file for AP holds hundreds of detections of almost no score, nearly all wrong and rightly so; they
make any ECE small. So the error is also given from a higher score on.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BINS = 10


@dataclass(frozen=True)
class Calibration:
    """A reliability diagram and its error.

    Attributes:
        edges (np.ndarray): Of the bins, (bins + 1,).
        counts (np.ndarray): Detections in each bin, (bins,).
        confidence, accuracy (np.ndarray): Of each bin, in [0, 1], NaN where it is empty, (bins,).
        error (float): ECE, in [0, 1]; NaN without a detection.
    """

    edges: np.ndarray
    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    error: float


def calibrate(scores: np.ndarray, hits: np.ndarray, bins: int = BINS, lowest: float = 0.0,
              weights: np.ndarray | None = None) -> Calibration:
    """Compare scores with how often they are right.

    Args:
        scores (np.ndarray): Confidences in [0, 1], (n,).
        hits (np.ndarray): Which detections are right, bool, (n,).
        bins (int): Of equal width.
        lowest (float): Detections below this score are left out.
        weights (np.ndarray, optional): How often each detection counts, (n,); None: once.
    """
    weights = np.ones(len(scores)) if weights is None else np.asarray(weights, float)
    kept = scores >= lowest
    scores, hits, weights = scores[kept], hits[kept], weights[kept]
    edges = np.linspace(0, 1, bins + 1)
    # Rounding makes 0.7 the upper end of its bin, whatever 0.1 * 7 is.
    place = np.clip(np.ceil(np.round(scores * bins, 9)).astype(int) - 1, 0, bins - 1)
    counts, confidence, accuracy = (np.bincount(place, values, bins) for values in (
        weights, weights * scores, weights * hits))
    with np.errstate(invalid='ignore'):
        confidence, accuracy = confidence / counts, accuracy / counts
    filled = counts > 0
    error = float('nan')
    if filled.any():
        gaps = np.abs(accuracy - confidence)[filled]
        error = float(gaps @ counts[filled] / counts.sum())
    return Calibration(edges, counts, confidence, accuracy, error)
