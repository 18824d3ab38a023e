"""Merging predictions of flipped and scaled views."""
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData
from torch import nn

from medseg.engine.tta import enable_tta
from medseg.errors import UserError
from medseg.models.instance_tta import InstanceTTAModel, merge_views

SIZE = (20, 30)


def found(*items):
    """Rectangles (x1, y1, x2, y2, score, label) with full masks."""
    masks = torch.zeros(len(items), *SIZE, dtype=torch.bool)
    for mask, (x1, y1, x2, y2, *_) in zip(masks, items, strict=True):
        mask[y1:y2, x1:x2] = True
    table = torch.tensor(items, dtype=torch.float32).reshape(-1, 6)
    return InstanceData(bboxes=table[:, :4], scores=table[:, 4], labels=table[:, 5].long(),
                        masks=masks)


def merge(*views, **options):
    return merge_views(list(views), **dict(dict(iou_threshold=0.5, max_per_img=100), **options))


def test_what_all_views_see_keeps_its_score():
    result = merge(found((2, 2, 12, 12, 0.8, 1)), found((2, 2, 12, 12, 0.6, 1)))
    assert result.scores.tolist() == pytest.approx([0.7]) and result.labels.tolist() == [1]
    assert result.bboxes[0].tolist() == pytest.approx([2, 2, 12, 12])
    assert result.masks[0].sum() == 100 and result.masks[0, 2:12, 2:12].all()


def test_what_one_view_sees_sinks_and_classes_do_not_mix():
    result = merge(found((2, 2, 12, 12, 0.8, 1), (15, 2, 25, 12, 0.9, 0)),
                   found((2, 2, 12, 12, 0.6, 2), (15, 2, 25, 12, 0.5, 0)), found())
    assert result.labels.tolist() == [0, 1, 2]
    assert result.scores.tolist() == pytest.approx([1.4 / 3, 0.8 / 3, 0.2])


def test_boxes_and_masks_are_weighted_by_the_scores():
    result = merge(found((0, 0, 10, 10, 0.6, 0)), found((0, 0, 14, 10, 0.2, 0)))
    assert result.bboxes[0].tolist() == pytest.approx([0, 0, 11, 10])
    assert result.masks[0].sum() == 100  # columns 10 to 13 have a quarter of the weight


def test_only_the_best_of_a_view_takes_part():
    result = merge(found((0, 0, 10, 10, 0.9, 0), (0, 0, 10, 9, 0.8, 0)),
                   found((0, 0, 10, 10, 0.7, 0)))
    assert result.scores.tolist() == pytest.approx([0.8])
    limited = merge(found((0, 0, 5, 5, 0.9, 0), (10, 10, 15, 15, 0.8, 0)), max_per_img=1)
    assert limited.scores.tolist() == pytest.approx([0.9])


def test_nothing_and_boxes_without_area():
    assert len(merge(found(), found())) == 0 and merge(found()).masks.shape == (0, *SIZE)
    assert len(merge(found((4, 4, 4, 4, 0.5, 0)), found())) == 1


class Painter(nn.Module):
    """Finds what is bright in an image, at the image's own size."""

    def test_step(self, data):
        samples = []
        for image, sample in zip(data['inputs'], data['data_samples'], strict=True):
            mask = nn.functional.interpolate(image[None, :1].float(), sample.ori_shape)[0, 0] > 100
            rows, columns = mask.nonzero(as_tuple=True)
            box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            sample.pred_instances = InstanceData(
                bboxes=torch.tensor([[float(v) for v in box]]), scores=torch.tensor([0.5]),
                labels=torch.tensor([0]), masks=mask[None])
            samples.append(sample)
        return samples


@pytest.mark.parametrize('direction', ['horizontal', 'vertical', 'diagonal'])
def test_views_are_turned_back(direction):
    image = torch.zeros(3, *SIZE)
    image[:, 3:9, 4:20] = 255
    dims = dict(horizontal=(2,), vertical=(1,), diagonal=(1, 2))[direction]
    views = {'inputs': [], 'data_samples': []}
    for flip, pixels in ((False, image), (True, image.flip(dims))):
        for factor in (1, 2):
            views['inputs'].append([pixels.repeat_interleave(factor, 1).repeat_interleave(
                factor, 2)])
            views['data_samples'].append([DetDataSample(metainfo=dict(
                ori_shape=SIZE, flip=flip, flip_direction=direction if flip else None))])
    result, = InstanceTTAModel(module=Painter()).test_step(views)
    assert result.pred_instances.bboxes[0].tolist() == pytest.approx([4, 3, 20, 9])
    assert torch.equal(result.pred_instances.masks[0], image[0] > 100)
    assert result.pred_instances.scores.tolist() == [0.5]


@pytest.mark.parametrize(('name', 'views', 'most'), [
    ('lmsfa/lmsfa-n_1xb8-300e_peld', 6, 100), ('lmsfa/lmsfa-n_1xb8-300e_teeth', 3, 100),
    ('mask_rcnn/mask-rcnn_r50_fpn_1xb8-300e_peld', 6, 100)])
def test_configs(name, views, most):
    config = Config.fromfile(f'configs/{name}.py')
    enable_tta(config)
    assert config.model.type == 'InstanceTTAModel' and config.model.module.backbone
    assert config.model.tta_cfg.max_per_img == most
    *_, last = config.test_dataloader.dataset.pipeline
    scales, flips, _ = last.transforms
    assert len(scales) * len(flips) == views
    assert [step['scale'] for step in scales] == [(640, 640), (512, 512), (800, 800)]
    assert scales[0].keep_ratio


def test_a_pipeline_without_resize_is_named():
    config = Config.fromfile('configs/lmsfa/lmsfa-n_1xb8-300e_peld.py')
    config.test_dataloader.dataset.pipeline.pop(1)
    with pytest.raises(UserError, match='one Resize with a scale, found 0; write `tta_pipeline`'):
        enable_tta(config)
