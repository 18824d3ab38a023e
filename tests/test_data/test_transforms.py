"""Geometry of the training transforms: image, polygons and boxes must move together."""
import cv2
import numpy as np
import pytest
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from pycocotools import mask as mask_utils

from medseg.data.transforms import (
    DropKeys,
    HSVGain,
    LoadPolygonAnnotations,
    PolygonMosaic,
    PolygonRandomAffine,
)

HEIGHT, WIDTH = 80, 120


def draw(*polygons, height=HEIGHT, width=WIDTH, grey=0):
    """A sample whose image shows its objects in white."""
    img = np.full((height, width, 3), grey, np.uint8)
    for p in polygons:
        # Shift by half: OpenCV's integer positions are pixel centres, polygons' are corners.
        points = np.asarray(p, np.float64).reshape(-1, 2) - 0.5
        cv2.fillPoly(img, [np.round(points * 256).astype(np.int32)], (255,) * 3, shift=8)
    boxes = np.array([[min(p[0::2]), min(p[1::2]), max(p[0::2]), max(p[1::2])] for p in polygons],
                     np.float32).reshape(-1, 4)
    return dict(
        img=img, img_shape=(height, width), gt_bboxes=HorizontalBoxes(boxes),
        gt_bboxes_labels=np.arange(len(polygons)),
        gt_ignore_flags=np.zeros(len(polygons), bool),
        gt_masks=PolygonMasks([[np.asarray(p, np.float64)] for p in polygons], height, width))


SQUARE = [20, 30, 60, 30, 60, 70, 20, 70]
TRIANGLE = [70, 10, 110, 10, 90, 50]


def matches_image(results):
    """Whether the rasterised polygons are what is white in the image, up to a thin contour."""
    polygons = results['gt_masks'].to_ndarray().any(0)
    white = results['img'][..., 0] > 127
    assert white.sum() > 100
    differs = (polygons ^ white).astype(np.uint8)
    return cv2.erode(differs, np.ones((3, 3))).sum() == 0


@pytest.mark.parametrize('seed', range(5))
@pytest.mark.parametrize('rotate', [0, 30])
def test_affine_moves_polygons_with_the_image(seed, rotate):
    np.random.seed(seed)
    transform = PolygonRandomAffine((160, 96), max_rotate=rotate, max_shear=rotate / 3, pad_val=0)
    results = transform(draw(SQUARE, TRIANGLE))
    assert results['img'].shape == (96, 160, 3) and results['img_shape'] == (96, 160)
    assert matches_image(results)
    for box, mask in zip(results['gt_bboxes'].tensor.numpy(), results['gt_masks'].to_ndarray(),
                         strict=True):
        ys, xs = np.nonzero(mask)
        assert box[0] == pytest.approx(xs.min(), abs=1.5)
        assert box[3] == pytest.approx(ys.max() + 1, abs=1.5)


def test_affine_identity():
    transform = PolygonRandomAffine((WIDTH, HEIGHT), scale_range=(1, 1), max_translate=0)
    before = draw(SQUARE)
    after = transform(draw(SQUARE))
    assert np.array_equal(after['img'], before['img'])
    np.testing.assert_allclose(after['gt_masks'].masks[0][0], SQUARE)
    np.testing.assert_allclose(after['gt_bboxes'].tensor.numpy(), [[20, 30, 60, 70]])


def test_affine_drops_what_leaves_the_image_and_keeps_labels_in_step():
    # Zoom 4 around the centre (60, 40): the input's x in 45..75, y in 30..50 is seen.
    transform = PolygonRandomAffine((WIDTH, HEIGHT), scale_range=(4, 4), max_translate=0)
    results = transform(draw([0, 0, 10, 0, 10, 10, 0, 10], [50, 35, 70, 35, 70, 45, 50, 45]))
    assert results['gt_bboxes_labels'].tolist() == [1]
    assert len(results['gt_masks']) == len(results['gt_bboxes']) == 1
    np.testing.assert_allclose(results['gt_bboxes'].tensor.numpy(), [[20, 20, 100, 60]])


@pytest.mark.parametrize('seed', range(5))
def test_mosaic_moves_polygons_with_the_images(seed):
    np.random.seed(seed)
    results = draw(SQUARE)
    results['mix_results'] = [draw(TRIANGLE), draw(SQUARE, TRIANGLE), draw()]
    results = PolygonMosaic((WIDTH, HEIGHT), pad_val=0)(results)
    assert results['img'].shape == (2 * HEIGHT, 2 * WIDTH, 3)
    assert len(results['gt_masks']) <= 4
    assert matches_image(results)


def test_images_without_objects():
    empty = dict(draw(), mix_results=[draw(), draw(), draw()])
    results = PolygonRandomAffine((WIDTH, HEIGHT))(PolygonMosaic((WIDTH, HEIGHT))(empty))
    assert len(results['gt_masks']) == len(results['gt_bboxes']) == 0
    assert results['gt_bboxes'].tensor.shape == (0, 4)


def test_instance_of_several_polygons_stays_one():
    results = draw(SQUARE)
    results['gt_masks'] = PolygonMasks(
        [[np.array(SQUARE, float), np.array(TRIANGLE, float)]], HEIGHT, WIDTH)
    results = PolygonRandomAffine((WIDTH, HEIGHT), scale_range=(1, 1), max_translate=0)(results)
    assert len(results['gt_masks']) == 1 and len(results['gt_masks'].masks[0]) == 2
    np.testing.assert_allclose(results['gt_bboxes'].tensor.numpy(), [[20, 10, 110, 70]])


def test_bitmaps_are_refused_with_the_remedy():
    results = dict(draw(SQUARE), img_path='a/b.png')
    results['gt_masks'] = BitmapMasks(np.zeros((1, HEIGHT, WIDTH), np.uint8), HEIGHT, WIDTH)
    with pytest.raises(TypeError, match=r'a/b\.png has BitmapMasks: load them with LoadPoly'):
        PolygonRandomAffine((WIDTH, HEIGHT))(results)


def test_drop_keys():
    assert DropKeys(('instances', 'absent'))(dict(instances=[1], img=2)) == dict(img=2)


def raw_sample(mask):
    return dict(img_path='a/b.png', ori_shape=(20, 30), img_shape=(20, 30), instances=[
        dict(bbox=[5, 4, 15, 12], bbox_label=0, ignore_flag=0, mask=mask)])


@pytest.mark.parametrize('compressed', [True, False])
def test_run_length_encoded_masks_are_not_lost(compressed):
    mask = np.zeros((20, 30), np.uint8)
    mask[4:12, 5:15] = 1
    mask[6:8, 7:9] = 0
    rle = mask_utils.encode(np.asfortranarray(mask))
    if compressed:
        rle['counts'] = rle['counts'].decode()
    else:
        runs = np.diff(np.flatnonzero(np.diff(mask.T.reshape(-1), prepend=2, append=2)))
        rle['counts'] = runs.tolist()
    results = LoadPolygonAnnotations()(raw_sample(rle))
    assert not results['gt_ignore_flags'].any()
    assert np.array_equal(results['gt_masks'].to_ndarray()[0], mask)


def test_polygons_stay():
    results = LoadPolygonAnnotations()(raw_sample([[5, 4, 15, 4, 15, 12, 5, 12]]))
    np.testing.assert_array_equal(results['gt_masks'].masks[0][0], [5, 4, 15, 4, 15, 12, 5, 12])


def test_a_missing_segmentation_names_the_image():
    with pytest.raises(ValueError, match=r'a/b\.png: annotation 0 has no segmentation; run tools'):
        LoadPolygonAnnotations()(raw_sample(None))


@pytest.mark.parametrize('draw, pixel, expected', [
    ((0, 0, 0.4), (10, 20, 30), (14, 28, 42)),  # value 30 becomes 42, the rest with it
    ((0, 0, -0.4), (10, 20, 30), (6, 12, 18)),
    ((0, 0.7, 0.4), (0, 0, 0), (0, 0, 0)),  # black stays black
    ((0.015, 0.7, 0), (90, 90, 90), (90, 90, 90)),  # grey stays grey
    ((0, -0.5, 0), (0, 0, 200), (100, 100, 200)),  # half as saturated
    ((1 / 3, 0, 0), (0, 0, 200), (0, 200, 0)),  # red, a third of a turn on, is green
    ((0, 0, 1.0), (200, 200, 200), (255, 255, 255)),
])
def test_hsv_gain(draw, pixel, expected, monkeypatch):
    monkeypatch.setattr(np.random, 'uniform', lambda *args: np.ones(3))
    transform = HSVGain(*draw)
    results = transform(dict(img=np.full((2, 3, 3), pixel, np.uint8)))
    assert np.abs(results['img'].astype(int) - expected).max() <= 1  # OpenCV's 8-bit HSV


def test_hsv_gain_draws_within_its_ranges():
    np.random.seed(0)
    transform = HSVGain(0.1, 0.5, 0.2)
    draws = np.array([transform._draw() for _ in range(500)])
    assert (np.abs(draws).max(0) <= (0.1, 0.5, 0.2)).all()
    assert np.abs(draws).max(0) == pytest.approx((0.1, 0.5, 0.2), rel=0.05)
