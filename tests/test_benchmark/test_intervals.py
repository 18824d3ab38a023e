"""Resampled AP against PELDMetric's own figures and against sets with images repeated."""
import contextlib
import copy
import io
import json

import numpy as np
import pytest
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO
from tiny_coco import make_tiny_coco

from projects.lmsfa.benchmark.intervals import bootstrap, curve, match, patients, summary
from projects.lmsfa.evaluation.instance_scores import complete_annotations, score_instances


def as_coco(content):
    coco = COCO()
    coco.dataset = content
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    complete_annotations(coco, 'test', True)
    return coco


@pytest.fixture(scope='module')
def predicted(tmp_path_factory):
    """A set of six images and predictions of mixed quality for it."""
    root = make_tiny_coco(tmp_path_factory.mktemp('set') / 'data', num_images=6, size=96)
    content = json.loads((root / 'annotations/instances_test.json').read_text())
    rng = np.random.default_rng(1)
    records = []
    for ann in content['annotations']:
        for shift in (int(rng.integers(0, 4)), int(rng.integers(8, 20))):
            x, y, w, h = ann['bbox']
            mask = np.zeros((96, 96), np.uint8, order='F')
            mask[y:y + h, x + shift:x + shift + w] = 1
            rle = mask_utils.encode(mask)
            rle['counts'] = rle['counts'].decode()
            records.append(dict(
                image_id=ann['image_id'], category_id=ann['category_id'], segmentation=rle,
                bbox=[x + shift, y, w, h], score=float(rng.uniform(0.2, 1) - shift / 40)))
    return content, records


def test_equals_the_metric(predicted):
    content, records = predicted
    coco = as_coco(copy.deepcopy(content))
    for kind in ('bbox', 'segm'):
        scores = score_instances(coco, records, kind, cat_ids=[1, 2, 3, 4],
                                 img_ids=coco.getImgIds(), nsd_tolerance=None)
        own = summary(match(coco, records, kind), np.ones(6, np.int64))
        assert 0.05 < own['mAP'] < 0.95
        assert own['mAP'] == pytest.approx(scores.overall['mAP'], abs=1e-12)
        assert own['mAP_50'] == pytest.approx(scores.overall['mAP_50'], abs=1e-12)


def test_weight_two_equals_an_image_given_twice(predicted):
    content, records = predicted
    weights = np.array([2, 1, 0, 3, 1, 1])
    repeated, more = copy.deepcopy(content), []
    repeated['images'], repeated['annotations'] = [], []
    for image, times in zip(content['images'], weights, strict=True):
        for turn in range(times):
            new = image['id'] + 100 * turn
            repeated['images'].append(dict(image, id=new))
            for ann in content['annotations']:
                if ann['image_id'] == image['id']:
                    number = len(repeated['annotations']) + 1
                    repeated['annotations'].append(dict(ann, id=number, image_id=new))
            more += [dict(r, image_id=new) for r in records if r['image_id'] == image['id']]
    coco = as_coco(repeated)
    scores = score_instances(coco, more, 'segm', cat_ids=[1, 2, 3, 4], img_ids=coco.getImgIds(),
                             nsd_tolerance=None)
    own = summary(match(as_coco(copy.deepcopy(content)), records, 'segm'), weights)
    assert own['mAP'] == pytest.approx(scores.overall['mAP'], abs=1e-9)


def test_bootstrap(predicted):
    content, records = predicted
    matches = match(as_coco(copy.deepcopy(content)), records, 'segm')
    whole = summary(matches, np.ones(6, np.int64))
    ends = bootstrap(matches, resamples=200)
    for name, value in whole.items():
        low, high = ends[name]
        assert 0 <= low < value < high <= 1
    assert ends == bootstrap(matches, resamples=200)  # the same draws for every model
    low, high = bootstrap(matches, resamples=200, level=0.5)['mAP']
    assert high - low < ends['mAP'][1] - ends['mAP'][0]


def test_perfect_predictions_have_no_width(predicted):
    content, _ = predicted
    coco = as_coco(copy.deepcopy(content))
    records = []
    for ann in content['annotations']:
        rle = coco.annToRLE(ann)
        records.append(dict(image_id=ann['image_id'], category_id=ann['category_id'],
                            segmentation=rle, score=0.9))
    assert bootstrap(match(coco, records, 'segm'), resamples=50) == {
        'mAP': (pytest.approx(1), pytest.approx(1)), 'mAP_50': (pytest.approx(1),) * 2}


def test_patients_are_drawn_whole():
    names = ['p1_01.png', 'p1_02.png', 'p02_01.png']
    assert patients([dict(file_name=n) for n in names]) == ['p1', 'p1', 'p02']
    assert patients([dict(file_name='a.png', patient=7), dict(file_name='b.png', patient=7),
                     dict(file_name='c.png', patient=9)]) == ['7', '7', '9']
    assert patients([dict(file_name='a.png'), dict(file_name='b.png')]) is None
    # every image its own patient: nothing to group
    assert patients([dict(file_name=f'p{i}_1.png') for i in range(3)]) is None


def test_curve(predicted):
    content, records = predicted
    first = match(as_coco(copy.deepcopy(content)), records, 'segm').classes[0]
    values = curve(first, points=11)
    assert len(values) == 11
    assert values == sorted(values, reverse=True) and values[0] <= 1
