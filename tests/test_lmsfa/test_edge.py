"""The edge model: size, training step, inference form, and its parts by hand."""
import math

import pytest
import torch
from torch import nn
from variant_checks import assert_variant, count, randomise_norms

from medseg.models.prototype_head import MAX_LOG_DISTANCE
from projects.lmsfa.heads.edge_head import EdgeHead, EdgeProtoNet, LevelNormConv
from projects.lmsfa.neck.edge_neck import EdgeNeck
from projects.lmsfa.units.rep_units import RepConv, RepDenseUnit, RepLargeKernelUnit

CONFIG = 'configs/lmsfa/lmsfa-edge-{}_1xb8-300e_peld.py'
PARAMETERS = {'n': 1_125_688, 's': 1_738_912}
NORM, ACT = dict(type='BN'), dict(type='ReLU')


@pytest.mark.parametrize('size', PARAMETERS)
def test_config(size, build_model):
    assert PARAMETERS[size] <= 1_800_000
    assert_variant(build_model(CONFIG.format(size)), PARAMETERS[size])


@pytest.mark.parametrize('unit, parameters, fused', [
    # Dense: 3x3 and 1x1 of 8 x 8, three BatchNorms; fused 3x3 and bias.
    (RepConv(8), 64 * 10 + 3 * 16, 576 + 8),
    (RepConv(8, (7, 3, 1), depthwise=True), 8 * 59 + 4 * 16, 8 * 49 + 8),
    (RepDenseUnit(8), 2 * (640 + 48), 2 * 584),
    (RepLargeKernelUnit(8), 8 * 59 + 64 + 2 * 128 + 32 + 16, 400 + 128 + 16 + 128 + 8)])
def test_units(unit, parameters, fused):
    assert count(unit) == parameters
    unit = nn.Sequential(unit).eval().double()
    randomise_norms(unit)
    x = torch.randn(2, 8, 9, 11, dtype=torch.double)
    with torch.no_grad():
        expected = unit(x)
        from medseg.engine.fuse import fuse_model
        fuse_model(unit)
        assert count(unit) == fused and not any('Norm' in type(m).__name__ for m in unit.modules())
        torch.testing.assert_close(unit(x), expected, rtol=1e-10, atol=1e-10)


def test_branches_add_up():
    """Kernels of ones on a map of ones: 9 per channel from 3x3, 1 from 1x1, 1 from the input."""
    unit = RepConv(2, (3, 1), depthwise=True, norm_cfg=dict(type='BN', eps=0.0)).eval()
    for branch in unit.branches:
        nn.init.ones_(branch.conv.weight)
    out = unit(torch.ones(1, 2, 5, 5))
    assert out[0, :, 2, 2].tolist() == [11, 11] and out[0, :, 0, 0].tolist() == [6, 6]
    fused = unit.fuse()
    assert fused.weight[1, 0].tolist() == [[1, 1, 1], [1, 3, 1], [1, 1, 1]]


def test_even_kernels_are_refused():
    with pytest.raises(ValueError, match='must be odd, got'):
        RepConv(4, (4, 1))


def test_neck_sums():
    """Units and convolutions that pass everything on: sums of ones, by scale."""
    neck = EdgeNeck((4, 8, 16), channels=4).eval()
    for name in ('top_down4', 'top_down3', 'bottom_up4', 'bottom_up5', 'scale_conv'):
        setattr(neck, name, nn.Identity())
    neck.projections = nn.ModuleList([nn.Identity()] * 3)
    n3, b4, b5 = neck([torch.ones(1, 4, 8, 8), torch.ones(1, 4, 4, 4), torch.ones(1, 4, 2, 2)])
    # T4 = 1 + 1, T3 = 1 + 2; pooling, maximum + average, doubles: B4 = 2 + 6, B5 = 1 + 16.
    assert b4.unique().tolist() == [8] and b5.unique().tolist() == [17]
    assert n3.unique().tolist() == [3 + 17]


def test_levels_share_weights_but_no_statistics():
    layer = LevelNormConv(4, 4, 3, 2, 1, NORM, ACT)
    layer(torch.randn(2, 4, 6, 6) + 5, 0)
    means = [norm.running_mean.abs().max().item() for norm in layer.norms]
    assert means[0] > 0 and means[1] == 0
    assert count(layer) == 9 * 16 + 2 * 8
    layer = nn.ModuleList([layer]).eval().double()
    randomise_norms(layer)
    x = torch.randn(1, 4, 6, 6, dtype=torch.double)
    with torch.no_grad():
        expected = [layer[0](x, level) for level in (0, 1)]
        fused = layer[0].fuse()
        for level in (0, 1):
            torch.testing.assert_close(fused(x, level), expected[level])
    assert (expected[0] - expected[1]).abs().max() > 0.1


def test_distances_without_a_distribution():
    head = EdgeHead(2, (8, 8, 8))
    priors = torch.tensor([[12., 20., 8., 8.]])
    # 0.5, 1, 2 and 400-odd strides to the left, top, right and bottom.
    raw = torch.tensor([[math.log(0.5), 0.0, math.log(2), 50.0]])
    expected = [12 - 4, 20 - 8, 12 + 16, 20 + 8 * math.exp(MAX_LOG_DISTANCE)]
    assert head._decode_boxes(raw, priors)[0].tolist() == pytest.approx(expected, rel=1e-5)
    assert head.box_conv.out_channels == 4 and head.box_conv.bias.tolist() == [1] * 4


def test_prototypes_are_twice_as_fine():
    net = EdgeProtoNet(8, 4, NORM, ACT)
    assert net(torch.randn(2, 8, 6, 5)).shape == (2, 4, 12, 10)


def test_unequal_levels_are_refused():
    with pytest.raises(ValueError, match='so they need equal channels'):
        EdgeHead(2, (8, 16, 8))
    with pytest.raises(ValueError, match='needs 3 `in_channels` and 3 `units`, got 2 and 3'):
        EdgeNeck((8, 8))
