"""The training-only losses (Eq. 16, 22): their mathematics, and that nothing of them stays."""
import math

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.config import Config
from mmengine.structures import InstanceData
from variant_checks import collate, sample

from medseg.engine.fuse import fuse_model
from medseg.models.masks import valid_area
from projects.lmsfa.losses.edge_loss import EdgeLoss, balanced_cross_entropy, edge_map
from projects.lmsfa.losses.gradient_consistency_loss import (
    GradientConsistencyLoss,
    gradient_distance,
)

CONFIGS = [f'configs/lmsfa/losses/{wiring}_{losses}_1xb8-300e_peld.py'
           for wiring in ('lmsfa-n', 'lmsfa-eq-n') for losses in ('gc', 'edge', 'gc-edge')]


def data_sample(shape, masks=None):
    data = DetDataSample(metainfo=dict(img_shape=shape))
    data.gt_instances = InstanceData(masks=masks) if masks is not None else InstanceData()
    return data


# ------------------------------------------------------------------ Eq. 16
def ones(x):
    return torch.ones_like(x[:, :1])


def test_an_image_is_consistent_with_itself():
    image = torch.rand(2, 1, 12, 10)
    assert gradient_distance(image, image, ones(image)) == 0
    assert gradient_distance(image + 3, image, ones(image)).item() == pytest.approx(0, abs=1e-4)


def test_a_flat_map_is_at_distance_1():
    image = torch.rand(2, 1, 12, 10)
    assert gradient_distance(torch.zeros_like(image), image, ones(image)).item() == \
        pytest.approx(1, rel=1e-6)


def test_the_distance_ignores_contrast_units_and_size():
    image = torch.rand(1, 1, 16, 16)
    feature = torch.rand(1, 1, 16, 16)
    value = gradient_distance(feature, image, ones(image))
    assert gradient_distance(50 * feature, 50 * image, ones(image)).item() == \
        pytest.approx(value.item(), rel=1e-5)
    # A ramp of slope 2 has gradient 2 everywhere but at the rim: distance (2 - 1) / 1.
    for width in (16, 64):
        ramp = torch.arange(float(width)).expand(1, 1, width, width)
        inside = torch.zeros(1, 1, width, width)
        inside[..., 1:-1, 1:-1] = 1
        assert gradient_distance(2 * ramp, ramp, inside).item() == pytest.approx(1, rel=1e-6)
        assert gradient_distance(1.25 * ramp, ramp, inside).item() == pytest.approx(0.25, rel=1e-5)


def test_an_image_without_structure_gives_no_infinity():
    flat = torch.full((1, 1, 8, 8), 0.3)
    assert gradient_distance(flat, flat, ones(flat)) == 0
    assert gradient_distance(torch.rand(1, 1, 8, 8), flat, ones(flat)).isfinite()


def test_padding_does_not_count():
    loss = GradientConsistencyLoss(in_channels=4)
    feats = torch.randn(1, 4, 8, 8)
    images = torch.rand(1, 3, 64, 64)
    images[..., 32:] = 0.4
    here = loss([feats], None, images, [data_sample((64, 32))])
    changed = feats.clone()
    changed[..., 4:] += torch.randn(4)[:, None, None]
    # The last valid column looks over the border, so it is left out as well.
    assert loss([changed], None, images, [data_sample((64, 32))]) == here
    assert loss([changed], None, images, [data_sample((64, 64))]) != here


def test_the_gradient_consistency_can_be_learnt():
    torch.manual_seed(0)
    images = torch.rand(2, 3, 64, 64)
    grey = torch.nn.functional.interpolate(images.mean(1, keepdim=True), scale_factor=1 / 8,
                                           mode='area')
    feats = torch.cat([torch.rand(2, 2, 8, 8), 0.5 * grey], 1)
    loss = GradientConsistencyLoss(in_channels=3, loss_weight=1.0)
    with torch.no_grad():
        loss.projection.weight.zero_()
        loss.projection.weight[0, 2] = 2.0
    assert loss([feats], None, images, [data_sample((64, 64))] * 2).item() < 1e-5


# ------------------------------------------------------------------ Eq. 22
def test_the_edge_map_of_a_square_is_its_outline():
    mask = torch.zeros(10, 10)
    mask[2:7, 3:8] = 1
    outline = mask.clone()
    outline[3:6, 4:7] = 0
    assert torch.equal(edge_map(mask), outline)
    assert outline.sum() == 16


def test_the_rim_of_the_image_is_no_edge():
    mask = torch.zeros(6, 6)
    mask[:, :3] = 1
    expected = torch.zeros(6, 6)
    expected[:, 2] = 1
    assert torch.equal(edge_map(mask), expected)
    assert edge_map(torch.ones(5, 5)).sum() == 0
    assert edge_map(torch.zeros(5, 5)).sum() == 0


def test_touching_instances_have_an_edge_between_them():
    masks = torch.zeros(2, 6, 6)
    masks[0, :, :3] = 1
    masks[1, :, 3:] = 1
    assert edge_map(masks).amax(0)[3].tolist() == [0, 0, 1, 1, 0, 0]


@pytest.mark.parametrize('size', [8, 32])
def test_balanced_cross_entropy_starts_at_ln_2(size):
    target = torch.zeros(1, 1, size, size)
    target[..., 2, :] = 1
    zero, valid = torch.zeros_like(target), torch.ones_like(target)
    assert balanced_cross_entropy(zero, target, valid).item() == pytest.approx(math.log(2))
    # All wrong on edges only: half of -log(sigmoid(-4)), half of -log(sigmoid(4)).
    value = balanced_cross_entropy(zero - 4, target, valid).item()
    assert value == pytest.approx((4.0181 + 0.0181) / 2, abs=1e-3)
    assert balanced_cross_entropy(zero - 4, 0 * target, valid).item() == pytest.approx(
        0.0181, abs=1e-3)
    assert balanced_cross_entropy(zero, target, 0 * valid) == 0


@pytest.mark.parametrize('kind', ['polygons', 'bitmaps'])
def test_edge_targets_at_the_size_of_g(kind):
    square = np.array([16., 16., 48., 16., 48., 48., 16., 48.])
    bitmap = np.zeros((1, 64, 64), np.uint8)
    bitmap[0, 16:48, 16:48] = 1
    masks = (PolygonMasks([[square]], 64, 64) if kind == 'polygons'
             else BitmapMasks(bitmap, 64, 64))
    target = EdgeLoss._target(InstanceData(masks=masks), (8, 8), torch.device('cpu'))
    # 16 to 48 is columns 4 to 11 at stride 4, 2 to 5 at stride 8: a ring of 12 cells.
    expected = torch.zeros(8, 8)
    expected[2:6, 2:6] = 1
    expected[3:5, 3:5] = 0
    assert torch.equal(target[0], expected)


def test_edges_in_the_padding_do_not_count():
    samples = [data_sample((64, 32))]
    valid = valid_area(samples, (8, 8), torch.zeros(1, 3, 64, 64))
    assert valid[0, 0].sum(0).tolist() == [8, 8, 8, 8, 0, 0, 0, 0]


# ------------------------------------------------------------------ both
@pytest.mark.parametrize('kind', [GradientConsistencyLoss, EdgeLoss])
def test_gradcheck(kind):
    torch.manual_seed(0)
    loss = kind(in_channels=2).double()
    masks = BitmapMasks(np.pad(np.ones((1, 16, 16), np.uint8), ((0, 0), (8, 8), (8, 8))), 32, 32)
    images = torch.rand(1, 3, 32, 32, dtype=torch.float64)
    feats = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)

    def run(x):
        return loss([x], x, images, [data_sample((32, 32), masks)])

    assert torch.autograd.gradcheck(run, (feats,))


@pytest.mark.parametrize('config', CONFIGS)
def test_trains_and_leaves_nothing_behind(config, build_model):
    torch.manual_seed(0)
    model = build_model(config).train()
    data = model.data_preprocessor(
        collate(sample((64, 64), 2), sample((96, 64), 1), sample((64, 64), 0)), True)
    losses = model(**data, mode='loss')
    names = set(Config.fromfile(config).model.aux_losses)
    assert names <= set(losses)
    sum(losses[name] for name in names).backward()
    assert all(p.grad is not None for p in model.aux_losses.parameters())
    assert sum(p.grad.abs().sum() for p in model.aux_losses.parameters()) > 0
    reached = [name for name, p in model.backbone.named_parameters() if p.grad is not None]
    assert reached, 'the losses have to teach the backbone'

    # The prediction neither needs nor keeps them.
    plain = build_model(config.replace('losses/', '').replace(
        config.split('-n_')[1].split('_')[0] + '_', '')).eval()
    state = {k: v for k, v in model.state_dict().items() if not k.startswith('aux_losses.')}
    assert plain.load_state_dict(state)
    fused = fuse_model(model)
    assert not [name for name, _ in fused.named_parameters() if 'aux' in name]
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        for a, b in zip(fused(x)[0], plain(x)[0], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
    assert sum(p.numel() for p in fused.parameters()) == \
        sum(p.numel() for p in fuse_model(plain).parameters())


def test_weights_scale_the_losses():
    feats, images = torch.randn(1, 4, 8, 8), torch.rand(1, 3, 64, 64)
    for kind in (GradientConsistencyLoss, EdgeLoss):
        once, twice = kind(4, loss_weight=0.3), kind(4, loss_weight=0.6)
        twice.load_state_dict(once.state_dict())
        args = ([feats], feats, images, [data_sample((64, 64), BitmapMasks(
            np.eye(64, dtype=np.uint8)[None], 64, 64))])
        assert twice(*args).item() == pytest.approx(2 * once(*args).item(), rel=1e-6)


def test_a_name_that_mmengine_would_only_log_is_refused(build_model):
    config = Config.fromfile(CONFIGS[0])
    config.model.aux_losses = dict(gc=config.model.aux_losses.loss_gc)
    from mmdet.registry import MODELS
    with pytest.raises(ValueError, match='loss_gc'):
        MODELS.build(config.model)
