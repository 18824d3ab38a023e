"""Polygons with whole coordinates move as exactly as any others."""
import copy
import json

import numpy as np
import pytest
from mmdet.registry import TRANSFORMS
from mmengine.config import Config
from pycocotools import mask as mask_utils

import medseg.data.transforms  # noqa: F401
from medseg.data.named_coco import NamedCocoDataset

HEIGHT, WIDTH = 80, 120
#: Two parts with whole coordinates, as many tools write them.
WHOLE = [[21, 31, 61, 33, 57, 71], [71, 11, 111, 13, 91, 53]]
#: Each with a factor and a shift (x, y) that its coordinates go through, as 120x80 pixels.
STEPS = {
    'resize': (dict(type='Resize', scale=(97, 97), keep_ratio=True), (97 / 120, 65 / 80), (0, 0)),
    'stretch': (dict(type='Resize', scale=(77, 91)), (77 / 120, 91 / 80), (0, 0)),
    'flip': (dict(type='RandomFlip', prob=1.0), (-1, 1), (120, 0)),
    'flip vertically': (dict(type='RandomFlip', prob=1.0, direction='vertical'), (1, -1), (0, 80)),
    'pad': (dict(type='Pad', size=(130, 130)), (1, 1), (0, 0)),
    'affine': (dict(type='PolygonRandomAffine', img_scale=(120, 80), scale_range=(0.7, 0.7),
                    max_translate=0), (0.7, 0.7), (0.3 * 60, 0.3 * 40)),
}


@pytest.mark.parametrize('loader', [
    dict(type='LoadPolygonAnnotations'),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True, poly2mask=False)])
@pytest.mark.parametrize('step', STEPS)
def test_whole_numbers_move_as_exactly_as_others(tmp_path, loader, step):
    config, factor, shift = STEPS[step]
    path = write_whole(tmp_path / 'a.json', WHOLE)
    results = load(path, [loader, config])
    moved = results['gt_masks'].masks[0]
    assert [part.dtype for part in moved] == [np.float64] * 2
    for part, original in zip(moved, WHOLE, strict=True):
        expected = np.reshape(original, (-1, 2)) * factor + shift
        np.testing.assert_allclose(part.reshape(-1, 2), expected, atol=1e-3)
    points = np.concatenate([part.reshape(-1, 2) for part in moved])
    np.testing.assert_allclose(results['gt_bboxes'].tensor.numpy()[0],
                               [*points.min(0), *points.max(0)], atol=1e-3)


@pytest.mark.parametrize('config', ['peld', 'dsb2018', 'synpeld-320', 'teeth'])
def test_recipes_do_not_care_how_numbers_are_written(tmp_path, config):
    """The same rectangles as 226 and 226.0, through a recipe's own transforms."""
    recipe = Config.fromfile(f'configs/_base_/datasets/{config}_instance.py')
    steps = [*recipe.load_pipeline[1:], *recipe.train_pipeline[:-1]]
    seen = []
    for kind in (int, float):
        numbers = [[kind(value) for value in part] for part in WHOLE]
        path = write_whole(tmp_path / f'{kind.__name__}.json', numbers)
        np.random.seed(3)
        seen.append(load(path, steps, mix=True))
    ours, theirs = seen
    assert len(ours['gt_masks']) == len(theirs['gt_masks']) > 0
    for mine, other in zip(ours['gt_masks'], theirs['gt_masks'], strict=True):
        np.testing.assert_allclose(np.concatenate(mine), np.concatenate(other), atol=1e-2)
    np.testing.assert_allclose(ours['gt_bboxes'].tensor, theirs['gt_bboxes'].tensor, atol=1e-2)


def test_a_bitmap_moves_as_its_polygon(tmp_path):
    """A rectangle as run lengths and as whole corners: the same vertices behind a resize."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[31:71, 21:61] = 1
    rle = mask_utils.encode(np.asfortranarray(mask))
    rle['counts'] = rle['counts'].decode()
    steps = [dict(type='LoadPolygonAnnotations'), STEPS['resize'][0]]
    drawn = [[21, 31, 61, 31, 61, 71, 21, 71]]
    corners = [np.unique(load(write_whole(tmp_path / f'{k}.json', segmentation, drawn), steps)[
        'gt_masks'].masks[0][0].reshape(-1, 2), axis=0)
        for k, segmentation in enumerate((rle, drawn))]
    np.testing.assert_allclose(*corners, atol=1e-6)


def write_whole(path, segmentation, outline=None):
    """A COCO file of one 120x80 image with one object."""
    points = np.concatenate([np.reshape(part, (-1, 2)) for part in outline or segmentation])
    low, high = points.min(0).tolist(), points.max(0).tolist()
    path.write_text(json.dumps(dict(
        images=[dict(id=1, file_name='1.png', width=WIDTH, height=HEIGHT)],
        categories=[dict(id=1, name='bone')],
        annotations=[dict(id=1, image_id=1, category_id=1, iscrowd=0, area=1600,
                          bbox=[*low, high[0] - low[0], high[1] - low[1]],
                          segmentation=segmentation)])))
    return path


def load(path, steps, mix=False):
    """The image of a COCO file behind some transforms."""
    dataset = NamedCocoDataset(ann_file=str(path), metainfo=dict(classes=('bone',)), pipeline=[],
                               data_prefix=dict(img=''))
    results = dict(dataset.get_data_info(0), img=np.zeros((HEIGHT, WIDTH, 3), np.uint8),
                   img_shape=(HEIGHT, WIDTH), ori_shape=(HEIGHT, WIDTH))
    for step in steps:
        transform = TRANSFORMS.build(step)
        if mix and hasattr(transform, 'get_indexes'):
            results['mix_results'] = [copy.deepcopy(results) for _ in range(3)]
        results = transform(results)
    return results
