"""Calibration of a few scores by hand."""
import numpy as np
import pytest

from medseg.metrics.calibration import calibrate


def test_by_hand():
    scores = np.array([0.9, 0.9, 0.9, 0.9, 0.65, 0.65])
    hits = np.array([1, 1, 1, 0, 1, 0], bool)
    found = calibrate(scores, hits)
    # 4 detections of 0.9: 0.75 are right; 2 of 0.65: 0.5 are right.
    assert found.counts.tolist() == [0, 0, 0, 0, 0, 0, 2, 0, 4, 0]
    assert found.accuracy[[6, 8]].tolist() == [0.5, 0.75]
    assert found.confidence[[6, 8]] == pytest.approx([0.65, 0.9])
    assert found.error == pytest.approx((2 * 0.15 + 4 * 0.15) / 6)
    # An image that counts twice; scores from 0.7 on.
    twice = calibrate(scores, hits, weights=np.array([1, 1, 1, 1, 2, 0]))
    assert twice.error == pytest.approx((2 * 0.35 + 4 * 0.15) / 6)
    assert calibrate(scores, hits, lowest=0.7).error == pytest.approx(0.15)


def test_ends_of_bins_and_nothing():
    found = calibrate(np.array([0, 0.1, 0.3, 0.6, 0.7, 1]), np.ones(6, bool))
    assert found.counts.tolist() == [2, 0, 1, 0, 0, 1, 1, 0, 0, 1]
    assert found.edges == pytest.approx(np.arange(11) / 10)
    nothing = calibrate(np.zeros(0), np.zeros(0, bool))
    assert np.isnan(nothing.error) and nothing.counts.sum() == 0


def test_scores_that_tell_the_truth():
    rng = np.random.default_rng(0)
    scores = rng.random(20000)
    right = rng.random(20000) < scores
    assert calibrate(scores, right).error < 0.02
    assert calibrate(scores ** 2, right).error > 0.1
