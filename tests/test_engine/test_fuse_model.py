"""Fused models give the same outputs."""
import pytest
import torch
from torch import nn
from variant_checks import flatten, randomise_norms

from medseg.engine.fuse import fuse_model
from projects.lmsfa.neck.ssff import SSFF
from projects.lmsfa.units.rvb import RepDWConv

CONFIGS = ['configs/lmsfa/lmsfa-n_1xb8-300e_peld.py',
           'configs/lmsfa/lmsfa-eq-n_1xb8-300e_peld.py',
           'configs/lmsfa/ablation/lmsfa-n_base_1xb8-300e_peld.py']


@pytest.mark.parametrize('config', CONFIGS)
@torch.no_grad()
def test_algebra_is_exact(config, build_model):
    model = build_model(config).eval().double()
    randomise_norms(model)
    x = torch.rand(2, 3, 96, 64, dtype=torch.double)
    before = flatten(model._forward(x))
    fuse_model(model)
    assert not any(isinstance(m, (nn.BatchNorm2d, RepDWConv)) for m in model.modules())
    for fused, expected in zip(flatten(model._forward(x)), before, strict=True):
        torch.testing.assert_close(fused, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize('config', CONFIGS)
@torch.no_grad()
def test_single_precision(config, build_model):
    model = build_model(config)
    model.init_weights()
    x = torch.rand(2, 3, 96, 64)
    # Statistics of the model's own activations, as training leaves them.
    model.train()
    for _ in range(60):
        model._forward(x)
    model.eval()
    before = flatten(model._forward(x))
    for fused, expected in zip(flatten(fuse_model(model)._forward(x)), before, strict=True):
        torch.testing.assert_close(fused, expected, rtol=0, atol=1e-4)


@torch.no_grad()
def test_token_mixer_is_one_convolution():
    mixer = RepDWConv(8).eval().double()
    randomise_norms(mixer)
    x = torch.randn(2, 8, 5, 6, dtype=torch.double)
    fused = mixer.fuse()
    assert isinstance(fused, nn.Conv2d)
    torch.testing.assert_close(fused(x), mixer(x))


@torch.no_grad()
def test_ssff_on_small_grids():
    ssff = SSFF((8, 16, 32), 8).eval()
    randomise_norms(ssff)
    feats = (torch.randn(2, 8, 12, 8), torch.randn(2, 16, 6, 4), torch.randn(2, 32, 3, 2))
    torch.testing.assert_close(ssff.fuse()(feats), ssff(feats))
