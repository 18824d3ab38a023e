"""Figures of areas, by hand."""
import math

import cv2
import numpy as np
import pytest

from medseg.metrics.semantic_scores import (
    area_figures,
    contour_distances,
    group_means,
    mean_over_classes,
    weighted_means,
)


def square(x, y, side, size=(20, 30)):
    mask = np.zeros(size, bool)
    mask[y:y + side, x:x + side] = True
    return mask


def test_shifted_square():
    """Two 4 x 4 squares two columns apart: 8 pixels shared, 24 in all."""
    dice, iou, hd95, nsd = area_figures(square(2, 2, 4), square(4, 2, 4), tolerance=1)
    assert dice == pytest.approx(16 / 32) and iou == pytest.approx(8 / 24)
    # Of 12 contour pixels each, the outer column lies 2 away, the next 1, the others 0 or 1.
    there, back = contour_distances(square(2, 2, 4), square(4, 2, 4))
    assert sorted(there.tolist()) == [0] * 4 + [1] * 4 + [2] * 4
    assert sorted(back.tolist()) == sorted(there.tolist())
    assert hd95 == 2
    # Of a contour through 16 corners of pixels (12 of length 1, 4 of √½) lie within 1 pixel, at top
    # and bottom 3 and an end, and of the inner side 2.
    assert nsd == pytest.approx((2 * (3 + 0.5 ** 0.5) + 2) / (12 + 4 * 0.5 ** 0.5))


def test_hd95_forgets_one_pixel_in_twenty():
    """A far pixel in 21 or more contour pixels; the maximum would be its distance."""
    true = square(2, 2, 10)
    predicted = true.copy()
    predicted[2, 28] = True  # 17 columns right of column 11
    assert area_figures(predicted, true)[2] == 0
    assert contour_distances(predicted, true)[0].max() == 17


EMPTY, FULL = np.zeros((30, 40), bool), square(3, 3, 5, (30, 40))


def test_both_empty_says_nothing():
    assert all(math.isnan(value) for value in area_figures(EMPTY, EMPTY))


@pytest.mark.parametrize('predicted, true', [(EMPTY, FULL), (FULL, EMPTY)])
def test_one_empty_is_the_worst(predicted, true):
    """The diagonal of 30 x 40 is 50."""
    assert area_figures(predicted, true) == (0, 0, 50, 0)


def test_equal_is_the_best():
    assert area_figures(FULL, FULL) == (1, 1, 0, 1)


def test_wrong_input():
    with pytest.raises(ValueError, match=r'\(30, 40\) and \(3, 3\) differ'):
        area_figures(EMPTY, np.zeros((3, 3), bool))
    with pytest.raises(ValueError, match='-1 px is negative'):
        area_figures(EMPTY, EMPTY, -1)


def test_means_leave_out_what_is_undefined():
    values = np.array([[1.0, np.nan, np.nan], [0.5, 0.2, np.nan], [0.0, 0.4, np.nan]])
    assert weighted_means(values, np.ones(3)) == pytest.approx([0.5, 0.3, np.nan], nan_ok=True)
    assert weighted_means(values, np.array([2, 0, 1])) == pytest.approx(
        [2 / 3, 0.4, np.nan], nan_ok=True)
    # The first patient has images 0 and 1, the second image 2.
    patients = group_means(values, np.array([0, 0, 1]))
    assert patients[0] == pytest.approx([0.75, 0.2, np.nan], nan_ok=True)
    assert patients[1] == pytest.approx([0, 0.4, np.nan], nan_ok=True)
    assert mean_over_classes(patients) == pytest.approx([0.475, 0.2])
    assert math.isnan(mean_over_classes(np.full((1, 2), np.nan))[0])


def test_equals_monai_on_random_blobs():
    """Dice, IoU and HD95 of 12 pairs of blobs; MONAI has its own implementations."""
    import torch
    from monai.metrics import compute_dice, compute_hausdorff_distance, compute_iou
    rng = np.random.default_rng(0)
    for _ in range(12):
        noise = cv2.GaussianBlur(rng.standard_normal((2, 48, 64)).transpose(1, 2, 0), (0, 0), 4)
        masks = np.ascontiguousarray((noise > 0).transpose(2, 0, 1))
        predicted, true = (torch.from_numpy(mask)[None, None].float() for mask in masks)
        expected = [compute_dice(predicted, true), compute_iou(predicted, true),
                    compute_hausdorff_distance(predicted, true, include_background=True,
                                               percentile=95)]
        found = area_figures(*masks)[:3]
        assert found == pytest.approx([float(value) for value in expected], abs=1e-4)
