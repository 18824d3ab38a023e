"""Prototype decoder of the prototype-coefficient mask scheme (YOLACT, as YOLOv8-seg has it)."""
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import Tensor, nn

from ..utils.defaults import ACT_CFG, NORM_CFG


class ProtoNet(BaseModule):
    """Mask prototypes at twice the resolution of the input map.

    Args:
        in_channels (int): Channels of the stride-8 map.
        mid_channels (int): Channels inside.
        num_protos (int): Number of prototypes.

    Shape: (B, in_channels, H, W) -> (B, num_protos, 2H, 2W).
    """

    def __init__(self, in_channels: int, mid_channels: int, num_protos: int = 32,
                 norm_cfg: dict = NORM_CFG, act_cfg: dict = ACT_CFG, init_cfg=None) -> None:
        super().__init__(init_cfg)
        cfg = dict(norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.conv1 = ConvModule(in_channels, mid_channels, 3, padding=1, **cfg)
        self.upsample = nn.ConvTranspose2d(mid_channels, mid_channels, 2, 2)
        self.conv2 = ConvModule(mid_channels, mid_channels, 3, padding=1, **cfg)
        self.conv3 = ConvModule(mid_channels, num_protos, 1, **cfg)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3(self.conv2(self.upsample(self.conv1(x))))
