"""Confusion and panoptic quality of images that can be counted by hand."""
import numpy as np
import pytest
from pycocotools import mask as mask_utils

from medseg.metrics.confusion import Confusion


def square(left, width=10):
    """RLE of a square in the upper part of a 40x100 image."""
    mask = np.zeros((40, 100), np.uint8, order='F')
    mask[:width, left:left + width] = 1
    return mask_utils.encode(mask)


def test_two_images():
    confusion = Confusion(2, score_thr=0.3)
    truth = [(0, square(0)), (1, square(20)), (1, square(40))]
    found = [(0, square(0), 0.9),     # right
             (0, square(20), 0.8),    # a 1 taken for a 0
             (1, square(42), 0.7),    # right, IoU 80 / 120
             (1, square(70), 0.6),    # nothing there
             (1, square(20), 0.1)]    # right, but too weak to count
    confusion.add('a', truth, found[::-1])
    confusion.add('b', [(0, square(5))], [])
    assert confusion.matrix.tolist() == [[1, 0, 1], [1, 1, 0], [0, 1, 0]]
    # Two matches, two false alarms, one miss.
    assert confusion.quality['a'] == pytest.approx((1 + 2 / 3) / (2 + 0.5 * 2 + 0.5 * 1))
    assert confusion.quality['b'] == 0
    first, second = confusion.detections()
    assert (first.targets, first.scores.tolist(), first.hits.tolist()) == (
        2, [0.9, 0.8], [True, False])
    assert (second.targets, second.scores.tolist(), second.hits.tolist()) == (
        2, [0.7, 0.6, 0.1], [True, False, True])


def test_one_truth_is_found_once():
    confusion = Confusion(1, score_thr=0.3)
    confusion.add(1, [(0, square(0))], [(0, square(0), 0.9), (0, square(1), 0.8)])
    confusion.add(2, [], [])
    assert confusion.matrix.tolist() == [[1, 0], [1, 0]]
    assert confusion.quality == {1: pytest.approx(1 / 1.5)}


def test_chosen_overlap_and_crowds():
    """IoU 80 / 120 is a pair from 0.6 on, and none from 0.7; what lies in a crowd is no error."""
    for least, right in ((0.6, 1), (0.7, 0)):
        confusion = Confusion(1, score_thr=0.3, iou_thr=least)
        confusion.add(1, [(0, square(0))], [(0, square(2), 0.9)])
        assert confusion.matrix[0, 0] == right
    confusion = Confusion(2, score_thr=0.3)
    crowd = [(0, square(40, 40))]
    # On the object; in the crowd; in it, of another class; half beside it.
    confusion.add(1, [(0, square(40))], [(0, square(40), 0.9), (0, square(60), 0.8),
                                         (1, square(60), 0.7), (0, square(76), 0.6)], crowd)
    assert confusion.matrix.tolist() == [[1, 0, 0], [0, 0, 0], [1, 1, 0]]
    # Boxes in place of masks.
    confusion = Confusion(1, score_thr=0.3)
    confusion.add(1, [(0, [0, 0, 10, 10])], [(0, [2, 0, 10, 10], 0.9), (0, [50, 0, 9, 9], 0.8)])
    assert confusion.matrix.tolist() == [[1, 0], [1, 0]]
