"""Linear attention and its position code, against their definitions."""
import math

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from projects.hrmedseg.attention import (
    EPS,
    GatedLinearAttention,
    GatedSoftmaxAttention,
    feature_map,
    linear_attention,
)
from projects.hrmedseg.rotary import RotaryCode, angles, rotate


def features(grid, channels=48, batch=2, seed=0):
    torch.manual_seed(seed)
    tokens = grid[0] * grid[1]
    q, k, v = torch.randn(3, batch, tokens, channels).unbind()
    return feature_map(q), feature_map(k), v, RotaryCode(channels)(*grid, q.device)


def quadratic(q, k, v, code, heads):
    """The same by the N x N matrix of kernel values, in double precision."""
    code = tuple(part.double() for part in code)
    q, k, v = q.double(), k.double(), v.double()
    outs = []
    parts = [x.chunk(heads, -1) for x in (rotate(q, code), rotate(k, code), q, k, v)]
    for turned_q, turned_k, plain_q, plain_k, value in zip(*parts, strict=True):
        kernel = turned_q @ turned_k.transpose(1, 2)
        plain = plain_q @ plain_k.transpose(1, 2)
        n = kernel.shape[-1]
        outs.append((kernel / n) @ value / (plain.sum(-1, keepdim=True) / n + EPS))
    return torch.cat(outs, -1)


@pytest.mark.parametrize('heads', [1, 3, 6, 12])
@pytest.mark.parametrize('grid', [(8, 8), (3, 10)])
def test_equals_its_quadratic_form(grid, heads):
    q, k, v, code = features(grid)
    found = linear_attention(q, k, v, code, heads)
    expected = quadratic(q, k, v, code, heads)
    assert (found - expected).abs().max() < 1e-5


def test_gradients_equal_those_of_the_quadratic_form():
    q, k, v, code = (x.requires_grad_() if isinstance(x, torch.Tensor) else x
                     for x in features((4, 4)))
    weight = torch.randn(q.shape)
    inputs = (q, k, v)
    found = torch.autograd.grad((linear_attention(*inputs, code, 6) * weight).sum(), inputs)
    expected = torch.autograd.grad((quadratic(*inputs, code, 6) * weight).sum(), inputs)
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours - theirs).abs().max() < 1e-4


def test_angles_by_hand():
    found = angles(2, 3, 8)
    assert found.shape == (6, 4)
    # Row 1, column 2: frequencies 1 and 10000^(-1/2).
    assert found[1 * 3 + 2].tolist() == pytest.approx([1, 0.01, 2, 0.02])


def test_rotates_adjacent_pairs():
    x = torch.tensor([[[1.0, 0.0, 0.0, 2.0]]])
    turn = torch.tensor([[math.pi / 2, math.pi]])
    found = rotate(x, (turn.cos(), turn.sin()))
    assert found[0, 0].tolist() == pytest.approx([0, 1, 0, -2], abs=1e-6)


def test_products_depend_on_relative_places_only():
    """q at (r, c) and k at (r + 2, c - 3) have the same product wherever r and c are."""
    height, width, channels = 9, 9, 16
    torch.manual_seed(0)
    q, k = torch.randn(2, channels)
    code = RotaryCode(channels)(height, width, q.device)
    grid = (height, width, channels)
    turned_q = rotate(q.expand(1, height * width, -1), code).reshape(grid)
    turned_k = rotate(k.expand(1, height * width, -1), code).reshape(grid)
    products = [float(turned_q[r, c] @ turned_k[r + 2, c - 3])
                for r in range(6) for c in range(3, 9)]
    assert max(products) - min(products) < 1e-4
    other = float(turned_q[0, 3] @ turned_k[1, 0])
    assert abs(other - products[0]) > 1e-3
    assert turned_q.norm(dim=-1).flatten().tolist() == pytest.approx([float(q.norm())] * 81)


def test_code_is_kept_and_follows_the_grid():
    rotary = RotaryCode(8)
    device = torch.device('cpu')
    first = rotary(4, 6, device)
    assert rotary(4, 6, device)[0] is first[0]
    assert rotary(6, 4, device)[0].shape == first[0].shape
    assert not torch.equal(rotary(6, 4, device)[0], first[0])
    for side in range(2, 40):
        rotary(side, 2, device)
    assert len(rotary._made) == 16


def test_wrong_channels():
    with pytest.raises(ValueError, match='multiple of 4 channels, got 6'):
        RotaryCode(6)
    with pytest.raises(ValueError, match='multiple of 4 and of 5 heads'):
        GatedLinearAttention(48, 5)


class Largest(torch.utils._python_dispatch.TorchDispatchMode):
    """Remembers the number of values of the largest tensor that any operation makes."""

    values = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in torch.utils._pytree.tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                self.values = max(self.values, tensor.numel())
        return out


@pytest.mark.parametrize('kind, largest', [(GatedLinearAttention, 2 * 48 * 1024),
                                           (GatedSoftmaxAttention, 6 * 1024 ** 2)])
def test_largest_tensor_is_linear_in_the_tokens(kind, largest):
    """Queries and keys side by side are the most; softmax makes 6 heads of N x N."""
    attention = kind(48, 6)
    code = RotaryCode(48)(32, 32, torch.device('cpu'))
    with Largest() as seen:
        attention(torch.randn(1, 1024, 48), (32, 32), code).sum().backward()
    assert seen.values == largest


def test_cost_is_linear_in_the_tokens():
    """512 to 2048 pixels: 32 to 128 tokens a side, 16 times the tokens, 16 times the products."""
    attention = GatedLinearAttention(48, 6).eval()
    costs = []
    for side in (32, 64, 128):
        code = RotaryCode(48)(side, side, torch.device('cpu'))
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            attention(torch.zeros(1, side * side, 48), (side, side), code)
        costs.append(counter.get_total_flops())
    assert costs[1] == 4 * costs[0] and costs[2] == 16 * costs[0]


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_sums_in_float32(dtype):
    """16,384 tokens with values near 1: half precision cannot even count them."""
    torch.manual_seed(0)
    side, channels = 128, 16
    attention = GatedLinearAttention(channels, 4).eval()
    for layer in (attention.qk, attention.value_up):
        torch.nn.init.normal_(layer.weight, std=0.5)
    tokens = torch.randn(1, side * side, channels)
    code = RotaryCode(channels)(side, side, tokens.device)
    with torch.no_grad():
        expected = attention(tokens, (side, side), code)
        with torch.autocast('cpu', dtype=dtype):
            found = attention(tokens, (side, side), code)
    assert found.isfinite().all()
    limit = {torch.bfloat16: 0.03, torch.float16: 0.005}[dtype]
    assert (found.float() - expected).abs().max() < limit * expected.abs().max()
