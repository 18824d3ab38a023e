"""StarNet's block (Ma et al., CVPR 2024)."""
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from medseg.models.defaults import NORM_CFG


@MODELS.register_module()
class StarUnit(BaseModule):
    """``x + DW(BN(PW(ReLU6(f1(y)) * f2(y))))`` with ``y = BN(DW(x))``: the unit of C2f-Star.

    The element-wise product ("star") of two 1x1 convolutions takes features to a space of far more
    dimensions than channels.

    Args:
        channels (int): Channels of input and output.
        expand_ratio (int): Widening of f1 and f2; 4 as in StarNet.
        kernel_size (int): Of both depthwise convolutions, odd; 7 as in StarNet.
        norm_cfg (dict): Normalisation.

    Shape: (B, channels, H, W) -> (B, channels, H, W).
    """

    def __init__(self, channels: int, expand_ratio: int = 4, kernel_size: int = 7,
                 norm_cfg: dict = NORM_CFG, init_cfg=None) -> None:
        super().__init__(init_cfg)
        hidden = expand_ratio * channels
        depthwise = dict(kernel_size=kernel_size, padding=kernel_size // 2, groups=channels)
        plain = dict(norm_cfg=norm_cfg, act_cfg=None)
        self.depthwise1 = ConvModule(channels, channels, **depthwise, **plain)
        self.f1 = nn.Conv2d(channels, hidden, 1)
        self.f2 = nn.Conv2d(channels, hidden, 1)
        self.project = ConvModule(hidden, channels, 1, **plain)
        self.depthwise2 = nn.Conv2d(channels, channels, **depthwise)

    def forward(self, x: Tensor) -> Tensor:
        y = self.depthwise1(x)
        return x + self.depthwise2(self.project(F.relu6(self.f1(y)) * self.f2(y)))
