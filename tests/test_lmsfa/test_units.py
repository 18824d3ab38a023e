"""The units of Table VII's C2f variants."""
import pytest
import torch
from torch import nn
from variant_checks import assert_variant, count

from medseg.models.c2f import C2f, DarknetUnit
from projects.lmsfa.units.context_guided_unit import ContextGuidedUnit, JointFeature
from projects.lmsfa.units.faster_unit import FasterUnit, PartialConv
from projects.lmsfa.units.star_unit import StarUnit

CONFIG = 'configs/lmsfa/c2f/lmsfa-n_{}_1xb8-300e_peld.py'
PARAMETERS = {'cg': 2_359_620, 'faster': 2_559_180, 'star': 2_698_892}


@pytest.mark.parametrize('variant', PARAMETERS)
def test_config(variant, build_model):
    assert_variant(build_model(CONFIG.format(variant)), PARAMETERS[variant])


# Of 64 channels. Faster: 3x3 of 16, 64 -> 128 -> 64, a BatchNorm of 128. Star: two depthwise 7x7
# (the second with bias), 64 -> 256 twice with bias, 256 -> 64, two BatchNorms of 64. CG: 64 -> 32,
# BatchNorm and PReLU of 32, two depthwise 3x3 of 32, BatchNorm and PReLU of 64, SE 64 -> 4 -> 64.
@pytest.mark.parametrize('unit, parameters', [
    (FasterUnit(64), 9 * 16 * 16 + 2 * 64 * 128 + 2 * 128),
    (StarUnit(64), 2 * 49 * 64 + 64 + 2 * (64 * 256 + 256) + 256 * 64 + 2 * 2 * 64),
    (ContextGuidedUnit(64), 64 * 32 + 3 * 32 + 2 * 9 * 32 + 3 * 64 + 2 * 64 * 4 + 4 + 64)])
def test_parameters_and_shape(unit, parameters):
    assert count(unit) == parameters
    assert unit(torch.randn(2, 64, 6, 5)).shape == (2, 64, 6, 5)


def test_partial_conv_leaves_the_other_channels():
    module = PartialConv(16)
    x = torch.randn(2, 16, 5, 6)
    out = module(x)
    assert torch.equal(out[:, 4:], x[:, 4:])
    torch.testing.assert_close(out[:, :4], nn.functional.conv2d(x[:, :4], module.conv.weight,
                                                                padding=1))


def test_faster_unit_is_a_residual():
    unit = FasterUnit(16).eval()
    nn.init.zeros_(unit.project.weight)
    x = torch.randn(1, 16, 4, 4)
    assert torch.equal(unit(x), x)


def test_star_is_a_product():
    """f1 constant 7 (6 after ReLU6), f2 constant 1/2: 3 in every hidden channel."""
    unit = StarUnit(4, expand_ratio=2).eval()
    for conv, bias in ((unit.f1, 7.0), (unit.f2, 0.5)):
        nn.init.zeros_(conv.weight)
        nn.init.constant_(conv.bias, bias)
    # The 1x1 convolution sums its 8 inputs; BatchNorm divides by sqrt(1 + eps).
    nn.init.ones_(unit.project.conv.weight)
    nn.init.dirac_(unit.depthwise2.weight, groups=4)
    nn.init.zeros_(unit.depthwise2.bias)
    x = torch.randn(1, 4, 9, 9)
    expected = 8 * 6 * 0.5 / (1 + unit.project.norm.eps) ** 0.5
    torch.testing.assert_close(unit(x) - x, torch.full_like(x, expected))


def test_surrounding_context_is_two_pixels_away():
    joint = JointFeature(1, dilation=2).eval()
    for conv in (joint.convs.local, joint.convs.surrounding):
        nn.init.ones_(conv.weight)
    x = torch.zeros(1, 1, 7, 7)
    x[0, 0, 3, 3] = 1
    local, surrounding = joint(x)[0] > 0
    assert [tuple(p) for p in local.nonzero().tolist()] == [
        (r, c) for r in (2, 3, 4) for c in (2, 3, 4)]
    assert [tuple(p) for p in surrounding.nonzero().tolist()] == [
        (r, c) for r in (1, 3, 5) for c in (1, 3, 5)]


def test_context_guided_unit_refuses_odd_channels():
    with pytest.raises(ValueError, match='must be even, got 15'):
        ContextGuidedUnit(15)


@pytest.mark.parametrize('shortcut', [True, False])
def test_c2f_gives_the_shortcut_to_units_that_have_the_choice(shortcut):
    block = C2f(16, 32, num_blocks=2, shortcut=shortcut)
    assert [b.shortcut for b in block.blocks] == [shortcut] * 2
    attentive = C2f(16, 32, shortcut=shortcut, unit=dict(
        type='AttentiveDarknetUnit', attention=dict(type='SimAM')))
    assert isinstance(attentive.blocks[0], DarknetUnit)
    assert attentive.blocks[0].shortcut == shortcut
    for name in ('FasterUnit', 'StarUnit', 'ContextGuidedUnit', 'RVBUnit'):
        other = C2f(16, 32, shortcut=shortcut, unit=dict(type=name))
        assert type(other.blocks[0]).__name__ == name


def test_c2f_names_an_unknown_unit():
    with pytest.raises(KeyError, match='FastUnit: no such unit is registered'):
        C2f(16, 32, unit=dict(type='FastUnit'))
