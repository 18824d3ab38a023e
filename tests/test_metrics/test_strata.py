"""Parts of a set: COCO's sizes, the border of the image, and what finds each truth."""
import numpy as np
import pytest
from pycocotools import mask as mask_utils
from tiny_coco import as_coco

from medseg.metrics.instance_scores import score_instances
from medseg.metrics.strata import WHOLE, border_tests, size_tests, stratify

SIZE = 240


def rectangle(x, y, w, h):
    mask = np.zeros((SIZE, SIZE), np.uint8, order='F')
    mask[y:y + h, x:x + w] = 1
    return dict(bbox=[x, y, w, h], area=w * h, segmentation=mask_utils.encode(mask))


def world(rectangles, crowds=()):
    return as_coco(dict(
        images=[dict(id=1, file_name='a.png', width=SIZE, height=SIZE)],
        categories=[dict(id=1, name='a')],
        annotations=[dict(rectangle(*r), id=i + 1, image_id=1, category_id=1,
                          iscrowd=int(r in crowds)) for i, r in enumerate(rectangles)]))


def found(*pairs):
    return [dict(rectangle(*r), image_id=1, category_id=1, score=score) for r, score in pairs]


def test_sizes_are_cocos():
    rng = np.random.default_rng(1)
    boxes = [tuple(map(int, (*rng.integers(0, 100, 2), *rng.integers(12, 130, 2))))
             for _ in range(30)]
    coco = world(boxes)
    records = found(*[((x + int(rng.integers(0, 9)), y, w, h), float(rng.random()))
                      for x, y, w, h in boxes])
    parts = stratify(coco, records, 'segm', size_tests())
    scores = score_instances(coco, records, 'segm', cat_ids=[1], img_ids=[1]).overall
    for part, figure in ((WHOLE, 'mAP'), ('small', 'mAP_s'), ('medium', 'mAP_m'),
                         ('large', 'mAP_l')):
        assert parts.matches[part][0].average_precision().mean() == pytest.approx(scores[figure])
    assert [int(parts.truths.parts[p].sum()) for p in ('small', 'medium', 'large')] == [
        sum(w * h <= 1024 for _, _, w, h in boxes),
        sum(1024 <= w * h <= 9216 for _, _, w, h in boxes),
        sum(w * h >= 9216 for _, _, w, h in boxes)]


@pytest.mark.parametrize('kind', ['bbox', 'segm'])
@pytest.mark.parametrize('box, touches', [
    ((0, 50, 20, 20), True), ((1, 50, 20, 20), True), ((2, 50, 20, 20), False),
    ((50, 0, 20, 20), True), ((220, 50, 20, 20), True), ((219, 50, 20, 20), True),
    ((50, 218, 20, 20), False), ((50, 220, 20, 20), True)])
def test_border(box, touches, kind):
    coco = world([box])
    parts = stratify(coco, found((box, 0.9)), kind, border_tests(coco))
    assert parts.truths.parts['border'].tolist() == [touches]
    assert [parts.matches[p][0].targets.tolist() for p in ('border', 'inside')] == [
        [int(touches)], [int(not touches)]]


def test_a_part_is_not_charged_for_the_other():
    """A truth at the border, found late; one inside, found; a false detection inside, the best."""
    coco = world([(0, 0, 20, 20), (100, 100, 20, 20)])
    records = found(((0, 0, 20, 20), 0.5), ((100, 100, 20, 20), 0.8), ((150, 20, 20, 20), 0.9))
    parts = stratify(coco, records, 'segm', border_tests(coco)).matches
    assert {part: found[0].average_precision()[0] for part, found in parts.items()} == \
        pytest.approx({WHOLE: 2 / 3, 'border': 1, 'inside': 0.5})


def test_truths_and_dice():
    """IoU of the first 80 / 120: Dice 0.8; the second is missed; the crowd is no truth."""
    boxes = [(40, 40, 10, 10), (100, 100, 10, 10), (150, 150, 50, 50)]
    coco = world(boxes, crowds=boxes[2:])
    truths = stratify(coco, found(((42, 40, 10, 10), 0.4)), 'segm', {}).truths
    assert truths.scores.tolist() == [0.4, -1] and truths.overlaps == pytest.approx([2 / 3, 0])
    assert truths.found(0.3).tolist() == [True, False]
    assert truths.dice(0.3) == pytest.approx([0.8, 0])
    assert truths.dice(0.5).tolist() == [0, 0] and not truths.found(0).all()


def test_nothing_at_all():
    parts = stratify(world([]), [], 'segm', size_tests())
    assert parts.matches['small'][0].average_precision()[0] == -1
    assert len(parts.truths.found(0)) == 0 and parts.truths.parts['small'].shape == (0,)
