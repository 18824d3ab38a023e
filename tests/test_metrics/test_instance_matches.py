"""Resampled AP against InstanceMetric's own figures and against sets with images repeated."""
import copy

import numpy as np
import pytest
from tiny_coco import as_coco

from medseg.metrics.bootstrap import bootstrap
from medseg.metrics.instance_matches import match
from medseg.metrics.instance_scores import score_instances


def test_equals_the_metric(predicted):
    content, records = predicted
    coco = as_coco(copy.deepcopy(content))
    for kind in ('bbox', 'segm'):
        scores = score_instances(coco, records, kind, cat_ids=[1, 2, 3, 4],
                                 img_ids=coco.getImgIds(), nsd_tolerance=None)
        own = match(coco, records, kind).figures()
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
    own = match(as_coco(copy.deepcopy(content)), records, 'segm').figures(weights)
    assert own['mAP'] == pytest.approx(scores.overall['mAP'], abs=1e-9)


def test_bootstrap(predicted):
    content, records = predicted
    matches = match(as_coco(copy.deepcopy(content)), records, 'segm')
    whole = matches.figures()
    ends = bootstrap(matches.figures, matches.groups, resamples=200)
    for name, value in whole.items():
        low, high = ends[name]
        assert 0 <= low < value < high <= 1
    # the same draws for every model
    assert ends == bootstrap(matches.figures, matches.groups, resamples=200)
    low, high = bootstrap(matches.figures, matches.groups, resamples=200, level=0.5)['mAP']
    assert high - low < ends['mAP'][1] - ends['mAP'][0]


def test_perfect_predictions_have_no_width(predicted):
    content, _ = predicted
    coco = as_coco(copy.deepcopy(content))
    records = []
    for ann in content['annotations']:
        rle = coco.annToRLE(ann)
        records.append(dict(image_id=ann['image_id'], category_id=ann['category_id'],
                            segmentation=rle, score=0.9))
    matches = match(coco, records, 'segm')
    assert bootstrap(matches.figures, matches.groups, resamples=50) == {
        'mAP': (pytest.approx(1), pytest.approx(1)), 'mAP_50': (pytest.approx(1),) * 2}


def test_contours_equal_the_metric_and_count_images_by_weight(predicted):
    content, records = predicted
    coco = as_coco(copy.deepcopy(content))
    scores = score_instances(coco, records, 'segm', cat_ids=[1, 2, 3, 4],
                             img_ids=coco.getImgIds(), nsd_tolerance=2)
    matches = match(coco, records, 'segm', nsd_tolerance=2)
    own = matches.figures()
    assert 0 < own['nsd_all'] < own['nsd'] < 1
    assert own['nsd'] == pytest.approx(scores.overall['nsd_2px'], abs=1e-12)
    assert own['nsd_all'] == pytest.approx(scores.overall['nsd_2px_all'], abs=1e-12)
    assert matches.figures(np.full(6, 3)) == pytest.approx(own)
    for one in matches.contours:
        weights = np.array([0, 2, 1, 0, 1, 3])
        hits, wrong = weights[one.hits], weights[one.false_positives].sum()
        missed = weights[one.targets].sum() - hits.sum()
        assert one.nsd(weights)[1] == pytest.approx(
            hits @ one.values / (hits.sum() + (wrong + missed) / 2))
    assert matches.contours[0].nsd(np.zeros(6)) == (-1, -1)
    assert np.isnan(list(matches.figures(np.zeros(6, np.int64)).values())).all()


def test_boundary_equals_the_metric(predicted):
    content, records = predicted
    coco = as_coco(copy.deepcopy(content))
    scores = score_instances(coco, records, 'segm', cat_ids=[1, 2, 3, 4],
                             img_ids=coco.getImgIds(), boundary=True, nsd_tolerance=None)
    own = match(coco, records, 'boundary').figures()
    assert own['mAP'] == pytest.approx(scores.overall['boundary_mAP'], abs=1e-12)
    assert own['mAP'] < match(coco, records, 'segm').figures()['mAP']


def test_curve(predicted):
    content, records = predicted
    first = match(as_coco(copy.deepcopy(content)), records, 'segm').classes[0]
    values = first.curve(points=11)
    assert len(values) == 11
    assert values == sorted(values, reverse=True) and values[0] <= 1
