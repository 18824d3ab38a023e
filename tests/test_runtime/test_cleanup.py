"""Masks as viewers want them."""
import cv2
import numpy as np
import pytest
from runtime_models import METADATA, constant_model, raw_outputs

from medseg.errors import UserError
from medseg.runtime import Segmenter, postprocess
from medseg.runtime.cleanup import CleanUp, clean, tidy
from medseg.runtime.postprocess import Instances, connected
from medseg.runtime.preprocess import Geometry
from medseg.runtime.suppression import shown_once


def test_islands_and_holes():
    mask = np.zeros((60, 80), bool)
    mask[10:50, 10:60] = True
    mask[20:23, 20:23] = False    # 9 pixels
    mask[30:40, 30:40] = False    # 100 pixels
    mask[10:12, 15:18] = False    # open to the outside: no hole
    expected = mask.copy()
    expected[20:23, 20:23] = True
    mask[2:4, 70:74] = True       # 8 pixels
    mask[50:56, 70:79] = True     # 54 pixels
    expected[50:56, 70:79] = True
    tidy(mask, 20, 20)
    assert (mask == expected).all()
    speck = np.zeros((20, 20), bool)
    speck[3:5, 3:5] = True
    tidy(speck, 50, 50)
    assert speck.sum() == 4  # the largest part stays, however small
    nothing = np.zeros((20, 20), bool)
    tidy(nothing, 50, 50)
    assert not nothing.any()


def test_one_object_is_drawn_once():
    masks = np.zeros((4, 80, 80), bool)
    masks[0, 8:40, 8:40] = True
    masks[1, 8:40, 12:40] = True   # 0.88 of the first
    masks[2, 20:32, 20:32] = True  # inside the first
    masks[3, 8:40, 36:72] = True   # touches it
    found = Instances(np.zeros((4, 4), np.float32), np.int64([0, 1, 0, 0]),
                      np.float32([0.9, 0.8, 0.7, 0.6]), masks)
    assert clean(found, CleanUp(twice=0.8)).scores.tolist() == pytest.approx([0.9, 0.6])
    assert len(clean(found, CleanUp())) == 4 and len(found) == 4


def test_out_of_range():
    with pytest.raises(UserError, match='clean-up: twice is 1.5; it must be between 0 and 1'):
        CleanUp(twice=1.5)


def test_no_straight_cut_where_the_object_goes_on(tmp_path):
    """The mask is the left half of the picture, its box ends at row 40."""
    outputs = raw_outputs()
    # A second blob on the right that is not connected: a column of prototype 0.
    outputs['prototypes'][0, 0, :, 12:14] = 9
    path = constant_model(tmp_path / 'm.onnx', outputs, dict(METADATA, kind='raw'))
    segmenter = Segmenter(path, score_thr=0.85)
    frame = np.full((64, 64, 3), 100, np.uint8)
    cut = segmenter(frame).masks[0]
    rows, columns = np.nonzero(cut)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8, 39, 8, 31)
    segmenter.postprocess.beyond_box = 0.25  # 8 pixels
    rows, columns = np.nonzero(segmenter(frame).masks[0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (0, 47, 0, 31)
    segmenter.postprocess.beyond_box = 0.75  # 24 pixels: the other blob is within reach
    assert np.nonzero(segmenter(frame).masks[0])[1].max() == 31
    segmenter.postprocess.beyond_box = 0.0
    assert (segmenter(frame).masks[0] == cut).all()


def test_smaller_results(tmp_path):
    path = constant_model(tmp_path / 'm.onnx', raw_outputs(), dict(METADATA, kind='raw'))
    segmenter = Segmenter(path)
    frame = np.full((256, 256, 3), 100, np.uint8)
    assert segmenter(frame).boxes[0].tolist() == [32, 32, 160, 160]
    segmenter.result_side = 128
    found = segmenter(frame)
    assert found.boxes[0].tolist() == [16, 16, 80, 80] and found.masks.shape == (2, 128, 128)
    # Prototype columns 0 to 7 are half the picture.
    assert np.flatnonzero(found.masks[0].any(0)).tolist() == list(range(16, 64))
    # Even sides, so that halves are whole.
    assert Geometry((720, 1080), (427, 640), (640, 640)).seen_at(512).original == (342, 512)
    segmenter.result_side = 1000  # never larger than the image
    assert segmenter(frame).masks.shape == (2, 256, 256)


def test_smaller_input(tmp_path):
    path = constant_model(tmp_path / 'm.onnx', raw_outputs(), dict(METADATA, kind='raw'))
    segmenter = Segmenter(path)
    frame = np.full((128, 128, 3), 100, np.uint8)
    assert segmenter.resizable and segmenter.preprocess(frame)[1].resized == (64, 64)
    segmenter.input_scale = 0.5
    assert segmenter.preprocess(frame)[1].resized == (32, 32)
    segmenter.input_scale = 1.0
    assert segmenter.preprocess(frame)[1].resized == (64, 64)
    fixed = constant_model(tmp_path / 'f.onnx', raw_outputs(),
                           dict(METADATA, kind='raw', input_size=[64, 64]), size=(64, 64))
    with pytest.raises(UserError, match='input_scale 0.5: the model has one input size'):
        Segmenter(fixed).input_scale = 0.5


def test_connected_keeps_what_hangs_together():
    """Against the definition: labels of the whole box, kept where they occur in the inner box."""
    rng = np.random.default_rng(0)
    for _ in range(60):
        noise = cv2.GaussianBlur(rng.random((40, 50), np.float32), (0, 0), 1.5)
        mask = noise > np.quantile(noise, rng.uniform(0.3, 0.8))
        x1, x2 = np.sort(rng.uniform(-5, 55, 2))
        y1, y2 = np.sort(rng.uniform(-5, 45, 2))
        inner = np.float32([x1, y1, x2, y2])
        reach = 0.2 * np.tile(inner[2:] - inner[:2], 2) * np.float32([-1, -1, 1, 1])
        outer = np.clip(inner + reach, 0, [50, 40, 50, 40])
        columns, rows = np.arange(50) + 0.5, np.arange(40) + 0.5
        mask &= ((columns > outer[0]) & (columns < outer[2]))[None]
        mask &= ((rows > outer[1]) & (rows < outer[3]))[:, None]
        inside = (((columns >= inner[0]) & (columns < inner[2]))[None]
                  & ((rows >= inner[1]) & (rows < inner[3]))[:, None])
        labels = cv2.connectedComponents(mask.view(np.uint8), connectivity=4)[1]
        wanted = mask & np.isin(labels, np.unique(labels[inside & mask]))
        connected(mask, outer, inner)
        assert (mask == wanted).all()


def test_what_is_shown_once_gets_no_mask(tmp_path, monkeypatch):
    """Two bones in one place, of whose boxes NMS lets both pass, and a nerve that shares three
    quarters with the first: with ``twice`` no mask of the second bone is made."""
    outputs = raw_outputs()
    outputs['boxes'][0, 1] = [0, 8, 40, 46]  # 1024 of 1520 pixels in common
    path = constant_model(tmp_path / 'm.onnx', outputs, dict(METADATA, kind='raw'))
    segmenter, frame = Segmenter(path), np.full((64, 64, 3), 100, np.uint8)
    assert segmenter(frame).labels.tolist() == [1, 1, 3]
    segmenter.postprocess.twice = 0.8
    assert len(segmenter(frame)) == 3  # twelve pixels of the coarse grid are too few to tell
    monkeypatch.setattr(postprocess, 'LEAST_SEEN', 8)
    found = segmenter(frame)
    assert found.labels.tolist() == [1, 3] and found.scores == pytest.approx([0.9, 0.7])
    segmenter.postprocess.twice = 0.76
    assert segmenter(frame).labels.tolist() == [1, 3]
    segmenter.postprocess.twice = 1.0
    assert len(segmenter(frame)) == 3


def test_shown_once():
    """Best first: a second one inside the first goes, as one of IoU above the limit does; pairs
    with less to be seen than ``least`` stay."""
    masks = np.zeros((4, 100), np.float32)
    masks[0, :50], masks[1, :10], masks[2, 5:52], masks[3, 60:] = 1, 1, 1, 1
    assert shown_once(masks, 0.8).tolist() == [0, 3]
    assert shown_once(masks, 0.8, least=16).tolist() == [0, 1, 3]
    assert shown_once(masks, 0.99).tolist() == [0, 2, 3]
