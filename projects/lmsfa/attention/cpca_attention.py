"""Channel prior convolutional attention (Huang et al., Comput. Biol. Med., 2024)."""
from collections.abc import Sequence

from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn


@MODELS.register_module()
class CPCAAttention(BaseModule):
    r"""CPCA: channel attention first, then spatial attention that differs from channel to channel.

    .. math::
        F_c = F \cdot \sigma(MLP(AvgPool(F)) + MLP(MaxPool(F))), \quad
        \hat F = F_c \cdot Conv_{1\times1}\Big(\sum_{i=0}^{3} Branch_i(DW_{5\times5}(F_c))\Big)

    Branch 0 is the identity; branches 1 to 3 are pairs of depthwise strips, 1 x k and k x 1. These
    are the paper's equations; the authors' release has a 1x1 convolution and GELU around them, too.

    Args:
        channels (int): Channels of input and output.
        reduction (int): Narrowing of the MLP; 4 as in the paper.
        local_kernel (int): Size of the depthwise convolution before the branches.
        strip_kernels (Sequence[int]): Lengths k of the strips, odd.

    Shape: (B, channels, H, W) -> (B, channels, H, W).
    """

    def __init__(self, channels: int, reduction: int = 4, local_kernel: int = 5,
                 strip_kernels: Sequence[int] = (7, 11, 21), init_cfg=None) -> None:
        super().__init__(init_cfg)
        hidden = max(channels // reduction, 1)
        self.channel_mlp = nn.Sequential(
            nn.Conv2d(channels, hidden, 1), nn.ReLU(inplace=True), nn.Conv2d(hidden, channels, 1))
        self.local_conv = nn.Conv2d(
            channels, channels, local_kernel, padding=local_kernel // 2, groups=channels)
        self.strips = nn.ModuleList(nn.Sequential(
            nn.Conv2d(channels, channels, (1, k), padding=(0, k // 2), groups=channels),
            nn.Conv2d(channels, channels, (k, 1), padding=(k // 2, 0), groups=channels))
            for k in strip_kernels)
        self.mix_conv = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        mean, peak = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        x = x * (self.channel_mlp(mean) + self.channel_mlp(peak)).sigmoid()
        local = self.local_conv(x)
        return x * self.mix_conv(sum((strip(local) for strip in self.strips), local))
