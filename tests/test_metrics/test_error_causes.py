"""Causes of errors and what mending them gains, on squares that can be counted by hand."""
import numpy as np
import pytest
from pycocotools import mask as mask_utils
from tiny_coco import as_coco

from medseg.metrics.error_causes import CAUSES, EXTREMES, error_causes
from medseg.metrics.instance_matches import match

SIZE = 200


def square(x, y=0, side=10):
    mask = np.zeros((SIZE, SIZE), np.uint8, order='F')
    mask[y:y + side, x:x + side] = 1
    return dict(bbox=[x, y, side, side], segmentation=mask_utils.encode(mask), area=side * side)


def world(truths, images=1):
    """Truths as (image, class, x) or (image, class, x, 'crowd'); two classes."""
    return as_coco(dict(
        images=[dict(id=i + 1, file_name=f'{i}.png', width=SIZE, height=SIZE)
                for i in range(images)],
        categories=[dict(id=1, name='a'), dict(id=2, name='b')],
        annotations=[dict(square(truth[2], side=100 if 'crowd' in truth else 10), id=i + 1,
                          image_id=truth[0], category_id=truth[1], iscrowd=int('crowd' in truth))
                     for i, truth in enumerate(truths)]))


def found(*detections):
    """Detections as (image, class, x, score)."""
    return [dict(square(x), image_id=image, category_id=label, score=score)
            for image, label, x, score in detections]


# Squares of side 10; moved by d they have the IoU (10 - d) / (10 + d): 2 -> 0.67, 5 -> 0.33.
# One truth of class a at 0, found with a score of 0.5, and one of class b at 50.
KINDS = {
    'classification': (1, 1, 52, 0.9),
    'localisation': (1, 2, 55, 0.9),
    'both': (1, 1, 55, 0.9),
    'duplicate': (1, 1, 2, 0.9),
    'background': (1, 1, 120, 0.9),
}
#: AP of a and b before mending, and after.
EXPECTED = {
    # A false a before the right one: precision 1/2 at recall 1. Mended, it is a right b.
    'classification': ((0.5, 0), (1, 1)),
    'localisation': ((1, 0), (1, 1)),
    'both': ((0.5, 0), (1, 0)),
    # The better scored one finds the truth, the other is the duplicate, behind it.
    'duplicate': ((1, 0), (1, 0)),
    'background': ((0.5, 0), (1, 0)),
}


@pytest.mark.parametrize('kind', ['bbox', 'segm'])
@pytest.mark.parametrize('cause', KINDS)
def test_one_error_of_each_cause(cause, kind):
    coco = world([(1, 1, 0), (1, 2, 50)])
    causes = error_causes(coco, found((1, 1, 0, 0.5), KINDS[cause]), kind)
    # Only the first two causes find the second truth once mended; else it is missed.
    wanted = {cause: 1, **({} if cause in CAUSES[:2] else {'missed': 1})}
    counts = causes.counts().sum(axis=0)
    assert {CAUSES[i]: n for i, n in enumerate(counts) if n} == wanted
    before, after = EXPECTED[cause]
    assert causes.average_precision() == pytest.approx(before)
    assert causes.average_precision([cause]) == pytest.approx(after)
    assert causes.figures()[cause] == pytest.approx(np.mean(after) - np.mean(before))
    assert causes.average_precision(CAUSES) == pytest.approx([1, 1])


def test_missed_is_no_longer_looked_for():
    """Two truths of a, one found, one missed; AP 51 of 101 recalls, then 1."""
    causes = error_causes(world([(1, 1, 0), (1, 1, 50)]), found((1, 1, 0, 0.9)), 'segm')
    assert causes.names == ('a', 'b') and causes.missed.tolist() == [False, True]
    assert causes.average_precision() == pytest.approx([51 / 101, np.nan], nan_ok=True)
    assert causes.figures()['missed'] == pytest.approx(50 / 101)
    assert causes.figures()['false negatives'] == pytest.approx(50 / 101)
    assert causes.figures()['false positives'] == pytest.approx(0)


def test_a_class_without_a_hit_is_perfect_once_its_truths_are_off_the_list():
    coco = world([(1, 1, 0), (1, 2, 50)])
    right = found((1, 1, 0, 0.9))
    assert error_causes(coco, right, 'segm').figures()['missed'] == pytest.approx(0.5)
    wrong = found((1, 1, 0, 0.9), (1, 2, 120, 0.9))
    assert error_causes(coco, wrong, 'segm').figures()['missed'] == pytest.approx(0)


def test_one_detection_mends_one_truth():
    """Three near one truth: the best scored one is moved onto it, the others go away."""
    causes = error_causes(world([(1, 1, 50)]), found(
        (1, 1, 55, 0.6), (1, 1, 45, 0.8), (1, 2, 51, 0.7)), 'segm')
    assert causes.counts().tolist() == [[0, 2, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]]
    assert sorted(causes.scores[causes.partners >= 0]) == [0.8]
    only, _ = causes.mended(['localisation'])
    assert (only.scores.tolist(), only.hits.tolist()) == ([0.8], [[True]])
    # Mending the class alone moves nothing: the truth is kept for the better scored one.
    assert causes.average_precision(['classification'])[0] == 0


def test_nothing_on_a_crowd_is_an_error():
    coco = world([(1, 1, 0), (1, 1, 90, 'crowd')])
    causes = error_causes(coco, found((1, 1, 0, 0.5), (1, 1, 100, 0.9), (1, 1, 120, 0.8)), 'segm')
    assert causes.counts().sum() == 0
    assert causes.average_precision()[0] == pytest.approx(1)
    # Of another class than the crowd it is.
    causes = error_causes(coco, found((1, 1, 0, 0.5), (1, 2, 100, 0.9)), 'segm')
    assert causes.counts()[1].tolist() == [0, 0, 0, 0, 1, 0]


def test_only_the_best_detections_count():
    detections = found((1, 1, 0, 0.9), (1, 1, 120, 0.8), (1, 1, 140, 0.7))
    counts = [error_causes(world([(1, 1, 0)]), detections, 'segm', limit).counts().sum()
              for limit in (1, 2, 3)]
    assert counts == [0, 1, 2]


def test_scores_and_weights():
    """Image 1 is perfect, image 2 has a false detection before the right one."""
    coco = world([(1, 1, 0), (2, 1, 0)], images=2)
    causes = error_causes(coco, found((1, 1, 0, 0.9), (2, 1, 120, 0.8), (2, 1, 0, 0.7)), 'segm')
    assert causes.counts(0.8).sum() == 1 and causes.counts(0.85).sum() == 0
    assert causes.figures(np.array([1, 0]))['mAP_50'] == pytest.approx(1)
    assert causes.figures(np.array([0, 1])) == pytest.approx(
        {'mAP_50': 0.5, **dict.fromkeys((*CAUSES, *EXTREMES), 0), 'background': 0.5,
         'false positives': 0.5})
    assert np.isnan(causes.figures(np.array([0, 0]))['mAP_50'])
    with pytest.raises(ValueError, match="no cause \\['luck'\\]"):
        causes.average_precision(['luck'])


@pytest.mark.parametrize('detections', [[], found((1, 1, 0, 0.9))], ids=['none', 'some'])
@pytest.mark.parametrize('truths, images', [([], 1), ([(1, 1, 0)], 1), ([], 0)])
def test_empty_sides(truths, images, detections):
    causes = error_causes(world(truths, images), detections if images else [], 'segm')
    assert len(causes.causes) == (len(detections) if images else 0)
    assert np.nan_to_num(causes.average_precision(CAUSES), nan=1).tolist() == pytest.approx([1, 1])


@pytest.mark.parametrize('kind', ['bbox', 'segm'])
def test_random_sets_keep_the_identities(kind):
    """AP is the metric's; mending never costs, and mending all gives 1."""
    rng = np.random.default_rng(3)
    truths = [(int(rng.integers(1, 7)), int(rng.integers(1, 3)), int(rng.integers(0, 12)) * 15)
              for _ in range(60)]
    records = found(*[
        (image, int(rng.integers(1, 3)) if rng.random() < 0.3 else label,
         max(0, x + int(rng.integers(-7, 8))), round(float(rng.random()), 2))
        for image, label, x in truths for _ in range(2)])
    coco = world(truths, images=6)
    causes, whole = error_causes(coco, records, kind), match(coco, records, kind)
    figures = causes.figures()
    assert figures['mAP_50'] == pytest.approx(whole.figures()['mAP_50'])
    assert 0.1 < figures['mAP_50'] < 0.9 and (causes.counts().sum(axis=0) > 0).sum() >= 5
    assert min(figures.values()) > -1e-12
    assert causes.average_precision(CAUSES) == pytest.approx([1, 1])
    assert causes.average_precision(EXTREMES) == pytest.approx([1, 1])
    weights = rng.integers(0, 3, 6)
    assert causes.figures(weights)['mAP_50'] == pytest.approx(whole.figures(weights)['mAP_50'])
