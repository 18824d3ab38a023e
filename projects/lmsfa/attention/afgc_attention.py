"""Adaptive fine-grained channel attention (Sun et al., Neural Networks, 2024)."""
import math

import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn


@MODELS.register_module()
class AFGCAttention(BaseModule):
    r"""AFGC: local and global channel context, correlated both ways and mixed adaptively.

    With z the channel means, :math:`u = B_k * z` (a convolution of k neighbouring channels, the
    local context) and :math:`v = W z` (a full matrix, the global context), the correlation matrix
    is :math:`M = u v^T`. Its column sums and those of its transpose are mixed by a learnable
    :math:`\theta` and become the channels' weights:

    .. math::
        g = \sigma(\theta)\, \sigma\Big(\sum_i M_{ij}\Big)
            + (1 - \sigma(\theta))\, \sigma\Big(\sum_i M^T_{ij}\Big), \quad
        y = x \cdot \sigma(B_k * g)

    M has rank one, so its sums are :math:`v \sum_i u_i` and :math:`u \sum_i v_i`; the matrix itself
    is never formed. The paper's k grows with the channels as ECA's does:
    :math:`k = |(\log_2 C + b) / \gamma|`, the next odd number.

    Args:
        channels (int): C, channels of input and output.
        gamma, b (int): Of the kernel size above.
        mix (float): Start of :math:`\theta`; -0.8 as in the authors' release.

    Shape: (B, channels, H, W) -> (B, channels, H, W).
    """

    def __init__(self, channels: int, gamma: int = 2, b: int = 1, mix: float = -0.8,
                 init_cfg=None) -> None:
        super().__init__(init_cfg)
        kernel_size = int(abs((math.log2(channels) + b) / gamma))
        kernel_size += 1 - kernel_size % 2
        self.local_conv = nn.Conv1d(1, 1, kernel_size, padding=kernel_size // 2, bias=False)
        self.global_conv = nn.Conv2d(channels, channels, 1)
        self.mix = nn.Parameter(torch.tensor([mix]))

    def _local(self, channels: Tensor) -> Tensor:
        """Convolution along the channels, (B, C) -> (B, C)."""
        return self.local_conv(channels[:, None])[:, 0]

    def forward(self, x: Tensor) -> Tensor:
        means = x.mean((2, 3), keepdim=True)
        local, whole = self._local(means[..., 0, 0]), self.global_conv(means)[..., 0, 0]
        share = self.mix.sigmoid()
        gate = (share * (whole * local.sum(1, keepdim=True)).sigmoid()
                + (1 - share) * (local * whole.sum(1, keepdim=True)).sigmoid())
        return x * self._local(gate).sigmoid()[..., None, None]
