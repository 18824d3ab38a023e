"""LightMedSegNet: parameters and operations of the paper, per module, for other inputs too."""
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from projects.lightmedseg import LightMedSegNet


def parameters(module) -> int:
    return sum(p.numel() for p in module.parameters())


#: The design's table for 4 inputs and 4 classes.
TABLE = {
    'stem': 556, 'anchor_detector': 6_000, 'prior': 1_678, 'stages.0': 5_802, 'stages.1': 15_032,
    'stages.2': 39_016, 'stages.3': 103_064, 'router': 61_536, 'decoder.0': 129_515,
    'decoder.1': 76_699, 'decoder.2': 24_373, 'decoder.3': 16_581, 'classify': 100,
    'upsample': 132,
}


def test_parameters_per_module():
    net = LightMedSegNet()
    assert {name: parameters(net.get_submodule(name)) for name in TABLE} == TABLE
    assert parameters(net) == sum(TABLE.values()) == 480_084


@pytest.mark.parametrize('in_channels, num_classes, expected', [
    (1, 2, 479_612), (1, 4, 479_760), (4, 3, 480_002)])
def test_parameters_for_other_inputs(in_channels, num_classes, expected):
    assert parameters(LightMedSegNet(in_channels, num_classes)) == expected


@pytest.mark.parametrize('shape, expected', [
    ((1, 4, 128, 128, 128), 14.671), ((1, 4, 96, 96, 96), 6.189)])
def test_gflops(shape, expected):
    """2 FLOPs per multiply-accumulate; the routing counted as it is defined."""
    with torch.device('meta'):
        net = LightMedSegNet(router=dict(channels=64, routed=(2, 3), low_memory=False)).eval()
        with FlopCounterMode(display=False) as counter:
            net(torch.empty(shape))
    assert counter.get_total_flops() / 1e9 == pytest.approx(expected, rel=5e-3)
    assert expected != 14.671 or expected == pytest.approx(14.64, rel=0.03)


def test_configuration_b():
    """14.66 G multiply-accumulates, for who reads the paper's figure so."""
    with torch.device('meta'):
        net = LightMedSegNet(
            4, 4, stem_channels=28, stage_channels=(28, 56, 56, 64),
            router=dict(channels=48, routed=(1, 2, 3), low_memory=False),
            prior=dict(gate_kernel=3), decoder_channels=(56, 56, 28, 28)).eval()
        with FlopCounterMode(display=False) as counter:
            net(torch.empty(1, 4, 128, 128, 128))
    assert parameters(net) == 482_567
    assert counter.get_total_flops() / 2e9 == pytest.approx(14.663, rel=5e-3)
