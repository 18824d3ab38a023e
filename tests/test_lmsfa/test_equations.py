"""The mathematics of the equation wiring (Eq. 2-3, 8-21)."""
import json

import pytest
import torch
import torch.nn.functional as F
from tool_runs import load_tool
from torch import nn

from projects.lmsfa.equations.aligner import Blur
from projects.lmsfa.equations.feature_gate import FeatureGate
from projects.lmsfa.equations.scale_sequence import ScaleMixer, ScaleSequenceFusion
from projects.lmsfa.equations.scale_shared_head import GatedAggregation
from projects.lmsfa.equations.target_enhancement import TargetFocusedEnhancement
from projects.lmsfa.losses.sobel import sobel

CONFIG = 'configs/lmsfa/lmsfa-eq-n_1xb8-300e_peld.py'


def pyramid(channels=8, size=8, batch=2, dtype=torch.float32, grad=False):
    return tuple(torch.randn(batch, channels, size >> i, size >> i, dtype=dtype,
                             requires_grad=grad) for i in range(3))


def test_ssff_with_closed_gates_is_a_1x1_convolution(monkeypatch):
    ssff = ScaleSequenceFusion(8)
    feats = pyramid()

    def closed(tokens):
        ones = tokens.new_ones(tokens.shape[0], 3, 8)
        return ones, 0 * ones, 0 * ones

    monkeypatch.setattr(ssff.mixer, 'forward', closed)
    for out, x, conv in zip(ssff(feats), feats, ssff.self_convs, strict=True):
        torch.testing.assert_close(out, conv(x))


def test_ssff_with_open_gates_is_the_sum_of_its_paths(monkeypatch):
    ssff = ScaleSequenceFusion(8)
    f3, f4, f5 = pyramid()
    monkeypatch.setattr(ssff.mixer, 'forward',
                        lambda tokens: (tokens.new_ones(tokens.shape[0], 3, 8),) * 3)
    _, out4, _ = ssff((f3, f4, f5))
    expected = (ssff.self_convs[1](f4) + F.interpolate(ssff.up_convs[1](f5), size=f4.shape[-2:])
                + F.interpolate(ssff.down_convs[0](f3), size=f4.shape[-2:]))
    torch.testing.assert_close(out4, expected)


def test_mixer_causality():
    mixer = ScaleMixer(12, 8)
    tokens = torch.randn(2, 3, 12)
    other = tokens.clone()
    other[:, 2] += 1  # perturb scale 5
    causal, anticausal = mixer.halves(tokens)
    causal2, anticausal2 = mixer.halves(other)
    assert torch.equal(causal[:, :2], causal2[:, :2])
    assert not torch.allclose(causal[:, 2], causal2[:, 2])
    assert not torch.allclose(anticausal[:, 0], anticausal2[:, 0])
    other = tokens.clone()
    other[:, 0] += 1  # perturb scale 3
    assert torch.equal(mixer.halves(other)[1][:, 1:], anticausal[:, 1:])


def test_tfe_with_closed_channel_gate_is_the_identity(monkeypatch):
    tfe = TargetFocusedEnhancement(8)
    feats = pyramid()
    assert not torch.equal(tfe(feats), feats[0])
    monkeypatch.setattr(tfe, 'channel_gate', lambda prior: prior.new_zeros(prior.shape[:2]))
    assert torch.equal(tfe(feats), feats[0])


def test_feature_gate_by_hand():
    gate = FeatureGate(4, spatial_kernel=None)
    for parameter in gate.parameters():
        nn.init.zeros_(parameter)
    x = torch.randn(1, 4, 3, 3)
    torch.testing.assert_close(gate(x), x / 2)  # sigmoid(0)
    gate = FeatureGate(4)
    for parameter in gate.parameters():
        nn.init.zeros_(parameter)
    torch.testing.assert_close(gate(x), x / 4)


def test_aggregation_by_its_gate():
    aggregation = GatedAggregation(4)
    feats = pyramid(4)
    nn.init.zeros_(aggregation.gate_conv.weight)
    nn.init.constant_(aggregation.gate_conv.bias, 50)
    torch.testing.assert_close(aggregation(feats), feats[0])
    nn.init.constant_(aggregation.gate_conv.bias, -50)
    deep = torch.cat([F.interpolate(aggregation.conv4(feats[1]), scale_factor=2),
                      F.interpolate(aggregation.conv5(feats[2]), scale_factor=4)], 1)
    torch.testing.assert_close(aggregation(feats), aggregation.deep_conv(deep))


def test_head_weights_are_shared(build_model):
    head = build_model(CONFIG).mask_head
    feats = [f.requires_grad_() for f in (
        torch.randn(1, 64, 8, 8), torch.randn(1, 64, 4, 4), torch.randn(1, 64, 2, 2))]
    weight = head.blocks[0].depthwise.weight
    together, = torch.autograd.grad(sum(head.refine(f).sum() for f in feats), weight)
    apart = sum(torch.autograd.grad(head.refine(f).sum(), weight)[0] for f in feats)
    torch.testing.assert_close(together, apart)
    names = [n for n, _ in head.named_parameters() if n.startswith('blocks')]
    assert len(names) == 2 * 4  # B blocks of two convolutions, once, not a level


def test_blur_and_sobel():
    constant = torch.full((1, 2, 5, 6), 3.0)
    torch.testing.assert_close(Blur(2)(constant), constant)
    assert sobel(constant).abs().max() == 0
    ramp = torch.arange(6.0).expand(1, 1, 5, 6)
    gradient = sobel(ramp)
    assert torch.equal(gradient[0, 0, :, 1:-1], torch.ones(5, 4))
    assert gradient[0, 1].abs().max() == 0


@pytest.mark.parametrize('build', [
    lambda: ScaleSequenceFusion(4, smp_channels=2, mixer_channels=4, blur=True, edge_gate=True),
    lambda: TargetFocusedEnhancement(4, reduction=2), lambda: GatedAggregation(4)])
def test_gradcheck(build):
    module = build().double()
    feats = pyramid(4, size=4, batch=1, dtype=torch.double, grad=True)
    assert torch.autograd.gradcheck(lambda *xs: module(xs), feats)


def test_budget(tmp_path):
    out = tmp_path / 'c.json'
    assert load_tool('tools/complexity.py').main([CONFIG, '--json', str(out)]) == 0
    row, = json.loads(out.read_text())
    assert row['parameters'] <= 1.8e6 and row['flops'] <= 8.8e9
