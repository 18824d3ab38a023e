"""Resampled AP against PELDMetric's own figures and against sets with images repeated."""
import contextlib
import copy
import io

import numpy as np
import pytest
from pycocotools.coco import COCO

from medseg.benchmark.intervals import bootstrap, curve, match, summary
from medseg.data.patients import patients
from medseg.metrics.instance_scores import complete_annotations, score_instances


def as_coco(content):
    coco = COCO()
    coco.dataset = content
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    complete_annotations(coco, 'test', True)
    return coco


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


def test_contours_equal_the_metric_and_count_images_by_weight(predicted):
    content, records = predicted
    coco = as_coco(copy.deepcopy(content))
    scores = score_instances(coco, records, 'segm', cat_ids=[1, 2, 3, 4],
                             img_ids=coco.getImgIds(), nsd_tolerance=2)
    matches = match(coco, records, 'segm', nsd_tolerance=2)
    own = summary(matches, np.ones(6, np.int64))
    assert 0 < own['nsd_all'] < own['nsd'] < 1
    assert own['nsd'] == pytest.approx(scores.overall['nsd_2px'], abs=1e-12)
    assert own['nsd_all'] == pytest.approx(scores.overall['nsd_2px_all'], abs=1e-12)
    assert summary(matches, np.full(6, 3)) == pytest.approx(own)
    for one in matches.contours:
        weights = np.array([0, 2, 1, 0, 1, 3])
        hits, wrong = weights[one.hits], weights[one.false_positives].sum()
        missed = weights[one.targets].sum() - hits.sum()
        assert one.nsd(weights)[1] == pytest.approx(
            hits @ one.values / (hits.sum() + (wrong + missed) / 2))
    assert matches.contours[0].nsd(np.zeros(6)) == (-1, -1)


def test_boundary_equals_the_metric(predicted):
    content, records = predicted
    coco = as_coco(copy.deepcopy(content))
    scores = score_instances(coco, records, 'segm', cat_ids=[1, 2, 3, 4],
                             img_ids=coco.getImgIds(), boundary=True, nsd_tolerance=None)
    own = summary(match(coco, records, 'boundary'), np.ones(6, np.int64))
    assert own['mAP'] == pytest.approx(scores.overall['boundary_mAP'], abs=1e-12)
    assert own['mAP'] < summary(match(coco, records, 'segm'), np.ones(6, np.int64))['mAP']


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
