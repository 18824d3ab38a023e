"""``InstanceMetric`` through its public API on scenes whose figures can be worked out by hand."""
import json

import pytest
import torch
from mmdet.registry import METRICS
from mmdet.structures import DetDataSample
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData

from medseg.metrics import InstanceMetric


def evaluate(scene, samples=None, ann_file=True, **kwargs):
    metric = InstanceMetric(ann_file=scene.ann_file() if ann_file else None, **kwargs)
    metric.dataset_meta = dict(classes=scene.classes)
    samples = scene.samples() if samples is None else samples
    for sample in samples:
        metric.process({}, [sample])
    return metric.evaluate(len(samples))


@pytest.fixture
def shifted(scene):
    """A bone found 2 px beside its place (IoU 360/440 = 0.818), a nerve missed, no adipose."""
    image = scene.image()
    scene.truth(image, 1, 10, 10, 20, 20)
    scene.truth(image, 2, 50, 50, 20, 20)
    scene.found(image, 1, 0.9, 12, 10, 20, 20)
    return scene


def test_registered():
    assert METRICS.get('InstanceMetric') is InstanceMetric


def test_hand_made_scene(shifted):
    figures = evaluate(shifted, boundary=True)
    for kind in ('bbox', 'segm'):
        # 0.818 passes the 7 thresholds 0.50 to 0.80 of 10.
        assert figures[f'coco/{kind}_bone_mAP'] == pytest.approx(0.7)
        assert figures[f'coco/{kind}_bone_mAP_50'] == pytest.approx(1)
        assert figures[f'coco/{kind}_nerve_mAP'] == 0
        assert figures[f'coco/{kind}_mAP'] == pytest.approx(0.35)
        assert figures[f'coco/{kind}_mAP_50'] == pytest.approx(0.5)
        assert figures[f'coco/{kind}_bone_precision'] == pytest.approx(1)
        assert figures[f'coco/{kind}_bone_recall'] == pytest.approx(1)
        assert figures[f'coco/{kind}_precision'] == pytest.approx(0.5)
        assert figures[f'coco/{kind}_recall'] == pytest.approx(0.5)
        assert figures[f'coco/{kind}_AR@100'] == pytest.approx(0.35)
    # Boundary IoU is exactly 136/272 (see test_boundary): only the threshold 0.50 passes.
    assert figures['coco/segm_bone_boundary_mAP'] == pytest.approx(0.1)
    assert figures['coco/segm_boundary_mAP_50'] == pytest.approx(0.5)
    # Contours 2 px apart agree at 3 px; the nerve was missed.
    assert figures['coco/segm_bone_nsd_3px'] == 1
    assert figures['coco/segm_nsd_3px'] == pytest.approx(0.5)


def test_class_missing_from_the_set_counts_nowhere(shifted):
    shifted.found(1, 0, 0.99, 70, 5, 10, 10)  # adipose tissue where there is none in the set
    figures = evaluate(shifted)
    for name in ('mAP', 'mAP_50', 'precision', 'recall', 'AR@100', 'nsd_3px', 'nsd_3px_all'):
        assert figures[f'coco/segm_adipose_tissue_{name}'] == -1
    assert figures['coco/segm_mAP'] == pytest.approx(0.35)
    assert figures['coco/segm_precision'] == pytest.approx(0.5)


def test_no_predictions_at_all_scores_zero(shifted):
    shifted.predictions[1] = []
    figures = evaluate(shifted, boundary=True)
    for name in ('bbox_mAP', 'segm_mAP', 'segm_mAP_50', 'segm_precision', 'segm_recall',
                 'segm_AR@100', 'segm_boundary_mAP', 'segm_nsd_3px', 'segm_nsd_3px_all'):
        assert figures[f'coco/{name}'] == 0, name


def test_no_ground_truth_at_all_is_undefined(shifted):
    shifted.annotations = []
    figures = evaluate(shifted, boundary=True)
    for name in ('bbox_mAP', 'segm_mAP', 'segm_precision', 'segm_recall', 'segm_boundary_mAP',
                 'segm_nsd_3px'):
        assert figures[f'coco/{name}'] == -1, name


def test_false_positive_in_an_empty_image_costs_precision(scene):
    first, empty = scene.image(), scene.image()
    scene.truth(first, 1, 10, 10, 20, 20)
    scene.found(first, 1, 0.8, 10, 10, 20, 20)
    scene.found(empty, 1, 0.9, 10, 10, 20, 20)
    figures = evaluate(scene)
    assert figures['coco/segm_recall'] == 1
    assert figures['coco/segm_precision'] == pytest.approx(0.5, abs=1e-3)
    assert figures['coco/segm_mAP_50'] == pytest.approx(0.5)
    # NSD 1 for the one hit; 1 / (1 + 1/2) once the false positive is charged.
    assert figures['coco/segm_nsd_3px'] == 1
    assert figures['coco/segm_nsd_3px_all'] == pytest.approx(2 / 3)


@pytest.mark.parametrize(('max_dets', 'ap', 'recall'), [(100, 67 / 101, 2 / 3), (300, 1, 1)])
def test_every_figure_is_at_max_dets(make_scene, max_dets, ap, recall):
    """150 instances found perfectly; 100 of them reach the recalls 0.00 to 0.66 of COCO's 101."""
    scene = make_scene(classes=('nucleus',))
    image = scene.image()
    for i in range(150):
        place = (2 + 6 * (i % 16), 2 + 6 * (i // 16), 4, 4)
        scene.truth(image, 0, *place)
        scene.found(image, 0, 0.9 - i / 1000, *place)
    figures = evaluate(scene, max_dets=max_dets, boundary=True)
    for kind in ('bbox', 'segm'):
        for name in ('mAP', 'mAP_50', 'mAP_75', 'mAP_s', 'nucleus_mAP', 'nucleus_mAP_50'):
            assert figures[f'coco/{kind}_{name}'] == pytest.approx(ap), name
        assert figures[f'coco/{kind}_recall'] == pytest.approx(recall)
        assert figures[f'coco/{kind}_AR@100'] == pytest.approx(2 / 3)
        assert figures[f'coco/{kind}_AR@{max_dets}'] == pytest.approx(recall)
    assert figures['coco/segm_boundary_mAP'] == pytest.approx(ap)


def test_ground_truth_from_data_samples(shifted):
    samples = shifted.samples()
    samples[0]['instances'] = [
        dict(bbox=[ann['bbox'][0], ann['bbox'][1], ann['bbox'][0] + ann['bbox'][2],
                   ann['bbox'][1] + ann['bbox'][3]],
             bbox_label=ann['category_id'] - 1, mask=ann['segmentation'], ignore_flag=0)
        for ann in shifted.annotations
    ]
    assert evaluate(shifted, samples, ann_file=False) == evaluate(shifted)


def test_masks_as_rle_and_with_their_own_scores(shifted):
    reference = evaluate(shifted)
    samples = shifted.samples()
    from pycocotools import mask as mask_utils
    pred = samples[0]['pred_instances']
    masks = pred['masks'].numpy().astype('uint8')
    pred['masks'] = [mask_utils.encode(mask.copy(order='F')) for mask in masks]
    pred['mask_scores'] = torch.tensor([0.25])
    figures = evaluate(shifted, samples)
    assert figures['coco/segm_mAP'] == reference['coco/segm_mAP']
    assert figures['coco/segm_confidence'] <= 0.25
    assert figures['coco/bbox_confidence'] == reference['coco/bbox_confidence']


def test_through_an_evaluator_with_data_samples(shifted):
    sample = shifted.samples()[0]
    data_sample = DetDataSample(
        metainfo=dict(img_id=sample['img_id'], ori_shape=sample['ori_shape']))
    data_sample.pred_instances = InstanceData(**sample['pred_instances'])
    evaluator = Evaluator(dict(type='InstanceMetric', ann_file=shifted.ann_file(), classwise=False))
    evaluator.dataset_meta = dict(classes=shifted.classes)
    evaluator.process([data_sample])
    figures = evaluator.evaluate(1)
    assert figures['coco/segm_mAP'] == pytest.approx(0.35)
    assert not [key for key in figures if 'bone' in key]


def test_format_only_writes_coco_results(shifted, tmp_path):
    prefix = tmp_path / 'out' / 'run'
    assert evaluate(shifted, format_only=True, outfile_prefix=str(prefix)) == {}
    boxes = json.loads((tmp_path / 'out' / 'run.bbox.json').read_text())
    masks = json.loads((tmp_path / 'out' / 'run.segm.json').read_text())
    assert [(b['image_id'], b['category_id'], b['bbox']) for b in boxes] == [
        (1, 2, [12, 10, 20, 20])]
    assert masks[0]['segmentation']['size'] == [100, 100]
    assert sorted(p.name for p in (tmp_path / 'out').iterdir()) == [
        'run.bbox.json', 'run.segm.json']


def test_ids_from_zero_and_missing_optional_keys(shifted):
    """pycocotools silently loses the match of annotation 0; other tools write such files."""
    reference = evaluate(shifted)
    for ann in shifted.annotations:
        ann['id'] -= 1
        del ann['iscrowd'], ann['area']
    assert evaluate(shifted) == reference


def test_unpredicted_images_count_as_missed(shifted):
    second = shifted.image()
    shifted.truth(second, 1, 10, 10, 20, 20)
    figures = evaluate(shifted, shifted.samples()[:1])
    assert figures['coco/segm_bone_recall'] == pytest.approx(0.5)


@pytest.mark.parametrize('names', [('bone', 'adipose tissue', 'nerve'), ('adipose tissue', 'bone')])
def test_categories_in_another_order_are_refused(shifted, names):
    path = shifted.ann_file()
    content = json.loads(open(path).read())
    content['categories'] = [dict(id=i + 1, name=name) for i, name in enumerate(names)]
    (shifted.folder / 'other.json').write_text(json.dumps(content))
    metric = InstanceMetric(ann_file=str(shifted.folder / 'other.json'))
    metric.dataset_meta = dict(classes=shifted.classes)
    metric.process({}, shifted.samples())
    with pytest.raises(ValueError, match='other.json.*categories.*in this order'):
        metric.evaluate(1)


def test_masks_of_another_size_are_refused(shifted):
    samples = shifted.samples()
    samples[0]['pred_instances']['masks'] = torch.zeros(1, 50, 50, dtype=torch.bool)
    with pytest.raises(ValueError, match="50x50.*'1.png' is 100x100.*original size"):
        evaluate(shifted, samples)


def test_missing_segmentation_is_named(shifted):
    shifted.annotations[1]['segmentation'] = []
    with pytest.raises(ValueError, match='instances.json: annotation 2 has no segmentation'):
        evaluate(shifted)
    assert evaluate(shifted, metric='bbox')['coco/bbox_mAP'] == pytest.approx(0.35)


@pytest.mark.parametrize('bad', [
    dict(metric='keypoints'), dict(max_dets=0), dict(nsd_tolerance_px=-1), dict(format_only=True)])
def test_bad_arguments(bad):
    with pytest.raises(ValueError, match=next(iter(bad)).replace('nsd_tolerance_px', 'nsd')):
        InstanceMetric(**bad)
