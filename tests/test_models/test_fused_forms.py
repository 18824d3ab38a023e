"""Inference forms that rearrange the mathematics: EMA and the prototype decoder."""
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from medseg.models.proto import ProtoNet
from projects.lmsfa.attention.ema_attention import EMAttention


def multiplications(module: nn.Module, x: torch.Tensor) -> int:
    with FlopCounterMode(display=False) as counter:
        module(x)
    return counter.get_total_flops() // 2


@pytest.mark.parametrize('size', [(7, 9), (1, 1), (1, 6), (20, 3)])
@pytest.mark.parametrize(('channels', 'factor'), [(16, 8), (12, 2)])
@torch.no_grad()
def test_ema_is_the_papers(channels, factor, size):
    ema = EMAttention(channels, factor).eval().double()
    for parameter in ema.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(2, channels, *size, dtype=torch.double)
    ema.textbook = True
    torch.testing.assert_close(ema.fuse()(x), ema(x), rtol=1e-9, atol=1e-9)


@torch.no_grad()
def test_ema_on_a_frame_with_hardly_any_contrast():
    """Channels whose mean is a thousand times their deviation keep their accuracy."""
    ema = EMAttention(16).eval()
    for parameter in ema.parameters():
        nn.init.normal_(parameter)
    ema.textbook = True
    x = 5 + 0.005 * torch.randn(1, 16, 24, 24)
    exact = ema.double()(x.double())
    torch.testing.assert_close(ema.float().fuse()(x).double(), exact, rtol=0, atol=1e-4)
    constant = torch.full((1, 16, 24, 24), 3.0)
    assert ema.fuse()(constant).isfinite().all()


@pytest.mark.parametrize('size', [(6, 9), (1, 1), (2, 1)])
@torch.no_grad()
def test_prototypes(size):
    """Borders included, where the bias of the transposed convolution meets zero padding."""
    net = ProtoNet(8, 12, 5).eval().double()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    nn.init.normal_(net.upsample.bias)
    x = torch.randn(2, 8, *size, dtype=torch.double)
    expected = net(x)
    assert expected.shape == (2, 5, 2 * size[0], 2 * size[1])
    torch.testing.assert_close(net.fuse()(x), expected, rtol=1e-9, atol=1e-9)


@torch.no_grad()
def test_prototypes_need_half_the_multiplications():
    net, x = ProtoNet(64, 64, 32).eval(), torch.zeros(1, 64, 80, 80)
    # A pixel: 3x3x64x64, then four of 64x64 + 3x3x64x64 + 64x32.
    assert multiplications(net, x) == 6400 * (36864 + 4 * (4096 + 36864 + 2048))
    # A pixel corner: 2x2x64x256, the border's 2x2x256 and the four blocks of 64x32.
    assert multiplications(net.fuse(), x) == 6400 * 36864 + 6561 * (65536 + 1024 + 8192)
