"""FasterNet's block with partial convolution (Chen et al., CVPR 2023)."""
import torch
from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from medseg.models.defaults import NORM_CFG


class PartialConv(BaseModule):
    """A 3x3 convolution of the first channels; the others pass unchanged.

    Args:
        channels (int): Channels of input and output.
        num_divisions (int): One part in this many is convolved.

    Shape: (B, channels, H, W) -> (B, channels, H, W).
    """

    def __init__(self, channels: int, num_divisions: int = 4, init_cfg=None) -> None:
        super().__init__(init_cfg)
        part = channels // num_divisions
        self.parts = (part, channels - part)
        self.conv = nn.Conv2d(part, part, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        convolved, untouched = x.split(self.parts, dim=1)
        return torch.cat([self.conv(convolved), untouched], dim=1)


@MODELS.register_module()
class FasterUnit(BaseModule):
    """``x + PW(act(BN(PW(PConv(x)))))``: the unit of C2f-Faster.

    Args:
        channels (int): Channels of input and output.
        expand_ratio (int): Widening between the two 1x1 convolutions; 2 as in FasterNet.
        num_divisions (int): The partial convolution sees 1 / num_divisions of the channels; 4 as in
            FasterNet.
        norm_cfg, act_cfg (dict): Normalisation and activation behind the first 1x1 convolution, the
            only ones of the block.

    Shape: (B, channels, H, W) -> (B, channels, H, W).
    """

    def __init__(self, channels: int, expand_ratio: int = 2, num_divisions: int = 4,
                 norm_cfg: dict = NORM_CFG, act_cfg: dict = dict(type='ReLU'),  # noqa: B006
                 init_cfg=None) -> None:
        super().__init__(init_cfg)
        hidden = expand_ratio * channels
        self.partial_conv = PartialConv(channels, num_divisions)
        self.expand = ConvModule(channels, hidden, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.project = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.project(self.expand(self.partial_conv(x)))
