"""Dual-gated linear attention (the paper's DGLA), and the same with softmax for comparison."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from .rotary import rotate

EPS = 1e-6


def feature_map(x: Tensor) -> Tensor:
    """The positive kernel features ELU(x) + 1."""
    return F.elu(x) + 1


def linear_attention(q: Tensor, k: Tensor, v: Tensor, code: tuple[Tensor, Tensor], heads: int,
                     eps: float = EPS) -> Tensor:
    """Normalised attention with a kernel instead of softmax, in time and memory linear in N.

    With positive features q, k and their rotated forms q', k'::

        S   = mean over m of k'_m v_m^T                        (d x d, a head)
        y_n = (q'_n^T S) / (q_n . mean over m of k_m + eps)

    Neither an N x N matrix nor one of N x d x d is made. Sums are in float32 whatever the inputs
    are: a mean over 10^4 tokens has no digits left in half precision.

    Args:
        q, k (Tensor): Positive features, (B, N, C).
        v (Tensor): Values, (B, N, C).
        code (tuple[Tensor, Tensor]): Cosine and sine of the tokens; see :func:`.rotary.rotate`.
        heads (int): Number of heads, a divisor of C.
        eps (float): Added to the normaliser.

    Returns:
        Tensor: (B, N, C) float32.
    """
    q, k, v = q.float(), k.float(), v.float()

    def split(x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], heads, -1).transpose(1, 2)

    turned_q, turned_k = split(rotate(q, code)), split(rotate(k, code))
    # The mean is taken before the product, so that the sum over tokens stays of order one.
    state = (turned_k / k.shape[1]).transpose(-1, -2) @ split(v)
    normaliser = split(q * k.mean(1, keepdim=True)).sum(-1, keepdim=True) + eps
    return ((turned_q @ state) / normaliser).transpose(1, 2).flatten(2)


class GatedAttention(BaseModule):
    """The two gates, the local position code and the projections around an attention.

    With h the normalised tokens::

        G = SiLU(W_g h)                      outer gate
        v = W_up SiLU(W_down h)              inner gate, which makes the values
        out = W_o ((attend(q, k, v) + LePE(v)) * G),   q, k = W_qk h

    LePE is a depthwise 3x3 convolution of the values on the grid. The paper's figure has the
    narrow layer first, as here; the released code calls it ``up_proj``.

    Args:
        dim (int): Channels, a multiple of 4 and of ``num_heads``.
        num_heads (int): Number of heads.
        qk_bias (bool): Bias of the query and key projection.

    Shape: (B, N, dim) with a grid (h, w), h * w = N, row by row -> (B, N, dim).

    Raises:
        ValueError: ``dim`` is no such multiple.
    """

    def __init__(self, dim: int, num_heads: int, qk_bias: bool = True, init_cfg=None) -> None:
        super().__init__(init_cfg)
        if dim % 4 or dim % num_heads:
            raise ValueError(f'{dim} channels: must be a multiple of 4 and of {num_heads} heads')
        self.num_heads = num_heads
        self.gate = nn.Linear(dim, dim)
        self.qk = nn.Linear(dim, 2 * dim, bias=qk_bias)
        self.value_down = nn.Linear(dim, dim // 4)
        self.value_up = nn.Linear(dim // 4, dim)
        self.lepe = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.proj = nn.Linear(dim, dim)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, code: tuple[Tensor, Tensor]) -> Tensor:
        """(B, N, C) each -> (B, N, C); ``code`` is the tokens' rotary code."""
        raise NotImplementedError

    def forward(self, x: Tensor, grid: tuple[int, int], code: tuple[Tensor, Tensor]) -> Tensor:
        q, k = self.qk(x).chunk(2, -1)
        v = self.value_up(F.silu(self.value_down(x)))
        # Tokens are a channels-last map; neither way is a copy.
        local = self.lepe(v.transpose(1, 2).reshape(x.shape[0], -1, *grid))
        with torch.autocast(x.device.type, enabled=False):
            mixed = self.attend(q, k, v, code)
        mixed = mixed.to(v.dtype) + local.flatten(2).transpose(1, 2)
        return self.proj(mixed * F.silu(self.gate(x)))


@MODELS.register_module()
class GatedLinearAttention(GatedAttention):
    """DGLA: :class:`GatedAttention` around :func:`linear_attention` with features ELU + 1."""

    def attend(self, q: Tensor, k: Tensor, v: Tensor, code: tuple[Tensor, Tensor]) -> Tensor:
        return linear_attention(feature_map(q.float()), feature_map(k.float()), v, code,
                                self.num_heads)


@MODELS.register_module()
class GatedSoftmaxAttention(GatedAttention):
    """The same gates around ordinary softmax attention, which makes the N x N matrix.

    It has the parameters of :class:`GatedLinearAttention` and is there to measure against.
    """

    def attend(self, q: Tensor, k: Tensor, v: Tensor, code: tuple[Tensor, Tensor]) -> Tensor:
        q, k, v = (x.float().reshape(*x.shape[:2], self.num_heads, -1).transpose(1, 2)
                   for x in (rotate(q.float(), code), rotate(k.float(), code), v))
        weights = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)
        return (weights @ v).transpose(1, 2).flatten(2)
