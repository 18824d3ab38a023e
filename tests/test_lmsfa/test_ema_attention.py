"""The rearranged EMA equals the paper's operations."""
import pytest
import torch
from torch import nn

from projects.lmsfa.attention.ema_attention import EMAttention


def paper_ema(module: EMAttention, x: torch.Tensor) -> torch.Tensor:
    """EMA written down from the paper, group by group and operation by operation."""
    outs = []
    for group in x.chunk(module.groups, dim=1):
        strip_h = group.mean(dim=3, keepdim=True)
        strip_w = group.mean(dim=2, keepdim=True).permute(0, 1, 3, 2)
        mixed = module.conv1x1(torch.cat([strip_h, strip_w], dim=2))
        gate_h, gate_w = mixed.split([group.shape[2], group.shape[3]], dim=2)
        x1 = module.norm(group * gate_h.sigmoid() * gate_w.permute(0, 1, 3, 2).sigmoid())
        x2 = module.conv3x3(group)
        pooled1 = nn.functional.adaptive_avg_pool2d(x1, 1).softmax(dim=1)
        pooled2 = nn.functional.adaptive_avg_pool2d(x2, 1).softmax(dim=1)
        weights = (pooled1 * x2).sum(1, keepdim=True) + (pooled2 * x1).sum(1, keepdim=True)
        outs.append(group * weights.sigmoid())
    return torch.cat(outs, dim=1)


@pytest.mark.parametrize('size', [(8, 8), (7, 9), (1, 5), (6, 1), (2, 2)])
@pytest.mark.parametrize('textbook', [False, True])
def test_equals_the_paper(size, textbook):
    module = EMAttention(32, factor=8).double()
    nn.init.normal_(module.norm.weight)
    nn.init.normal_(module.norm.bias)
    module.textbook = textbook
    x = torch.randn(2, 32, *size, dtype=torch.double, requires_grad=True)
    ours, theirs = module(x), paper_ema(module, x)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    # Gradients too, of the input and of every parameter.
    weight = torch.randn_like(ours)
    inputs = [x, *module.parameters()]
    grads = torch.autograd.grad((ours * weight).sum(), inputs)
    expected = torch.autograd.grad((theirs * weight).sum(), inputs)
    for ours, theirs in zip(grads, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-8)


def test_channels_last_input():
    module = EMAttention(16)
    x = torch.randn(2, 16, 6, 4)
    torch.testing.assert_close(module(x.to(memory_format=torch.channels_last)), module(x))


def test_refuses_indivisible_channels():
    with pytest.raises(ValueError, match='20 channels cannot be cut into 8 groups'):
        EMAttention(20)
