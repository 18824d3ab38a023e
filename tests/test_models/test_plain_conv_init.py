"""PyTorch's own weights in a detector's convolutions, whatever mmcv would draw."""
import math

import pytest
from mmengine.config import Config

from medseg.engine.building import build_model


def spread(init_cfg):
    """Standard deviations by fan-in's rule of the convolutions of LMSF-A-n, by name."""
    config = Config.fromfile('configs/lmsfa/lmsfa-n_1xb8-300e_peld.py')
    config.model.init_cfg = init_cfg
    model = build_model(config)
    model.init_weights()
    ratios = {}
    for name, weight in model.named_parameters():
        if weight.dim() == 4 and weight.numel() > 2000 and 'upsample' not in name:
            plain = 1 / math.sqrt(3 * weight[0].numel())
            ratios[name] = (weight.std() / plain).item()
    return model, ratios


def test_plain_weights():
    model, ratios = spread(dict(type='PlainConvInit'))
    assert len(ratios) > 50
    assert all(ratio == pytest.approx(1, abs=0.1) for ratio in ratios.values())
    # What the parts set themselves stays: the head's boxes, the units that start as identity.
    units = [m for m in model.modules() if hasattr(m, 'token_mixer')]
    assert units and all((unit.project.norm.weight == 0).all() for unit in units)
    biases = [value for name, value in model.mask_head.named_parameters() if 'bias' in name]
    assert any((value == 1).all() for value in biases)


def test_mmcvs_weights_are_larger():
    _, ratios = spread(None)
    assert sorted(ratios.values())[len(ratios) // 2] > 1.5
