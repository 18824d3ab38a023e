"""Squeeze-and-excitation (Hu et al., CVPR 2018)."""
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn


@MODELS.register_module()
class SEAttention(BaseModule):
    r"""SE: each channel is weighted by what all channels' means say.

    .. math:: y_c = x_c \cdot \sigma(W_2\, \delta(W_1 z)), \quad
        z_c = \frac{1}{HW} \sum_{u,v} x_c(u, v)

    with :math:`\delta` ReLU and both matrices with bias.

    Args:
        channels (int): Channels of input and output.
        reduction (int): Narrowing of the bottleneck; 16 as in the paper.
        min_channels (int): The bottleneck is never narrower; a single ReLU, as 16 / 16 would give
            at the finest stage of size n, is off for good in half of all initialisations.

    Shape: (B, channels, H, W) -> (B, channels, H, W).
    """

    def __init__(self, channels: int, reduction: int = 16, min_channels: int = 4,
                 init_cfg=None) -> None:
        super().__init__(init_cfg)
        hidden = max(channels // reduction, min_channels)
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.relu = nn.ReLU(inplace=True)
        self.excite = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.excite(self.relu(self.squeeze(x.mean((2, 3), keepdim=True)))).sigmoid()
