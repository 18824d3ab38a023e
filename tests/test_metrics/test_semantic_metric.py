"""Areas of COCO files: unions, thresholds, intervals, bad input."""
import json
import math

import numpy as np
import pytest
import torch
from mmdet.registry import METRICS
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO

from medseg.errors import UserError
from medseg.metrics.semantic_table import best_threshold, score_areas

SIZE = (40, 60)


def box_mask(x, y, width, height):
    mask = np.zeros(SIZE, np.uint8)
    mask[y:y + height, x:x + width] = 1
    return mask


def rle(*boxes):
    union = np.maximum.reduce([box_mask(*box) for box in boxes])
    found = mask_utils.encode(np.asfortranarray(union))
    return dict(found, counts=found['counts'].decode())


def truth(tmp_path=None):
    """Two patients with two images and one: nerves (two, touching) and bone in one of them."""
    images = [dict(id=i, file_name=name, height=SIZE[0], width=SIZE[1])
              for i, name in enumerate(('p1_f1.png', 'p1_f2.png', 'p2_f1.png'))]
    anns = [(0, 2, (0, 0, 10, 10)), (0, 2, (10, 0, 10, 10)), (1, 2, (0, 0, 10, 10)),
            (2, 2, (0, 0, 10, 10)), (2, 1, (30, 20, 10, 10))]
    content = dict(
        images=images, categories=[dict(id=1, name='bone'), dict(id=2, name='nerve'),
                                   dict(id=3, name='fat')],
        annotations=[dict(
            id=i, image_id=image, category_id=cat, iscrowd=0, bbox=list(box), area=100,
            segmentation=[[x, y, x + w, y, x + w, y + h, x, y + h]])
            for i, (image, cat, box) in enumerate(anns) for x, y, w, h in [box]])
    if tmp_path is not None:
        path = tmp_path / 'instances.json'
        path.write_text(json.dumps(content))
        return path
    coco = COCO()
    coco.dataset = content
    coco.createIndex()
    return coco


def result(image, cat, score, *boxes):
    return dict(image_id=image, category_id=cat, score=score, segmentation=rle(*boxes))


RECORDS = [
    result(0, 2, 0.9, (0, 0, 10, 10)), result(0, 2, 0.6, (10, 0, 10, 10)),
    result(1, 2, 0.8, (0, 0, 10, 5)), result(1, 2, 0.3, (40, 30, 10, 10)),
    result(2, 1, 0.7, (30, 20, 10, 10)),
]
SCORED = dict(cat_ids=[2, 1, 3], img_ids=[0, 1, 2])


def test_unions_by_hand():
    table = score_areas(truth(), RECORDS, score_thr=0.5, **SCORED)
    dice = table.values['dice']
    # Nerve: both halves found; 50 of 100 pixels found; missed. Bone: in the last image alone.
    assert dice[:, 0] == pytest.approx([1, 100 / 150, 0])
    assert dice[:, 1] == pytest.approx([np.nan, np.nan, 1], nan_ok=True)
    assert np.isnan(dice[:, 2]).all()
    assert table.classes == ('nerve', 'bone', 'fat')
    assert table.mean('dice') == pytest.approx(((1 + 2 / 3 + 0) / 3 + 1) / 2)
    # Patient 1's nerve: 5/6, patient 2's: 0.
    groups = np.array([0, 0, 1])
    assert table.mean('dice', groups) == pytest.approx(((5 / 6 + 0) / 2 + 1) / 2)
    assert table.values['hd95'][2, 0] == pytest.approx(math.hypot(*SIZE))


def test_threshold_counts():
    table = score_areas(truth(), RECORDS, score_thr=0.0, **SCORED)
    # The weak square of image 1 is wrong: 50 shared, 150 predicted.
    assert table.values['dice'][1, 0] == pytest.approx(2 * 50 / 250)
    table = score_areas(truth(), RECORDS, score_thr=0.65, **SCORED)
    assert table.values['dice'][0, 0] == pytest.approx(2 / 3)


def test_best_threshold_is_the_lowest_of_the_best():
    """The wrong square has 0.3, the weakest right one 0.6."""
    threshold, dice = best_threshold(truth(), RECORDS, **SCORED)
    assert threshold == 0.35
    table = score_areas(truth(), RECORDS, score_thr=0.5, **SCORED)
    assert dice == pytest.approx(table.mean('dice'))


def test_draws_are_of_patients_and_paired():
    table = score_areas(truth(), RECORDS, score_thr=0.5, **SCORED)
    groups = np.array([0, 0, 1])
    drawn = table.draws('dice', groups, 200)
    # Patient 1 twice: nerve alone, 5/6. Patient 2 twice: nerve 0, bone 1. Both: all images.
    assert {round(v, 4) for v in drawn} == {round(5 / 6, 4), 0.5, round((5 / 9 + 1) / 2, 4)}
    assert np.array_equal(drawn, table.draws('dice', groups, 200))


def sample(image, labels, scores, masks):
    return dict(img_id=image, pred_instances=dict(
        labels=torch.tensor(labels), scores=torch.tensor(scores),
        masks=torch.from_numpy(np.array(masks, bool).reshape(-1, *SIZE))))


@pytest.fixture
def evaluate(tmp_path):
    def run(samples, **options):
        metric = METRICS.build(dict(
            type='SemanticMetric', ann_file=str(truth(tmp_path)), **options))
        metric.dataset_meta = dict(classes=('nerve', 'bone', 'fat'))
        metric.process({}, samples)
        return metric.evaluate(size=len(samples))
    return run


SAMPLES = [
    sample(0, [0, 0], [0.9, 0.6], [box_mask(0, 0, 10, 10), box_mask(10, 0, 10, 10)]),
    sample(1, [0, 0], [0.8, 0.3], [box_mask(0, 0, 10, 5), box_mask(40, 30, 10, 10)]),
    sample(2, [1], [0.7], [box_mask(30, 20, 10, 10)])]


def test_metric(evaluate, tmp_path):
    figures = evaluate(SAMPLES, score_thr=0.5, tune=True,
                       outfile_prefix=str(tmp_path / 'out' / 'areas'))
    assert figures['semantic/dice'] == pytest.approx((5 / 9 + 1) / 2)
    assert figures['semantic/dice_per_patient'] == pytest.approx((5 / 12 + 1) / 2)
    assert figures['semantic/nerve_dice'] == pytest.approx(5 / 9)
    assert figures['semantic/fat_dice'] == -1
    assert figures['semantic/best_score_thr'] == 0.35
    assert figures['semantic/bone_hd95'] == 0 and figures['semantic/bone_nsd_3px'] == 1
    written = json.loads((tmp_path / 'out' / 'areas.semantic.json').read_text())
    table = score_areas(truth(), written, score_thr=0.5, **SCORED)
    assert table.mean('dice') == pytest.approx(figures['semantic/dice'])


def test_images_that_were_not_predicted_are_missed(evaluate):
    figures = evaluate(SAMPLES[:2], score_thr=0.5)
    assert figures['semantic/bone_dice'] == 0


def test_mask_of_another_size(evaluate):
    wrong = sample(0, [0], [0.9], [box_mask(0, 0, 10, 10)])
    wrong['pred_instances']['masks'] = wrong['pred_instances']['masks'][:, :20]
    with pytest.raises(UserError, match=r"image 'p1_f1.png': wrong size: .*\[20, 60\].* of 60x40"):
        evaluate([wrong])


def test_wrong_settings(evaluate):
    with pytest.raises(ValueError, match='score_thr must be between 0 and 1, got 2'):
        evaluate(SAMPLES, score_thr=2)
    with pytest.raises(ValueError, match='nsd_tolerance_px must not be negative'):
        evaluate(SAMPLES, nsd_tolerance_px=-3)
