"""The comparison of the runtime with the predictor finds what differs."""
import numpy as np
import pytest
from pycocotools import mask as mask_utils
from tool_runs import load_tool

from medseg.runtime.postprocess import Instances

TOOL = load_tool('tools/analysis_tools/compare_runtime.py')


def expected_item(mask, score=0.9, category=1, corner=(2, 3)):
    rle = mask_utils.encode(np.asfortranarray(mask, dtype=np.uint8))
    return dict(category_id=category, score=score, bbox=[*corner, 10, 10], segmentation=rle)


def test_mask_ious():
    mask = np.zeros((20, 20), bool)
    mask[3:13, 2:12] = True
    shifted = np.roll(mask, 1, 0)  # 90 of 110 pixels in common
    found = Instances(
        boxes=np.array([[2, 3, 12, 13], [2, 3, 12, 13]], float), labels=np.array([0, 1]),
        scores=np.array([0.9, 0.5]), masks=np.stack([mask, shifted]))
    ious = TOOL.mask_ious([expected_item(mask), expected_item(mask, 0.5, 2),
                           expected_item(mask, 0.8), expected_item(mask, 0.9, 3),
                           expected_item(mask, corner=(4, 3))], found)
    assert ious[0] == 1
    assert ious[1] == pytest.approx(90 / 110)
    assert ious[2:] == [None, None, None]
