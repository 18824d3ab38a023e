"""C3k2: YOLO11's cross-stage partial block, and its nested unit C3k."""
import torch
from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from medseg.models.c2f import C2f, DarknetUnit
from medseg.models.defaults import ACT_CFG, NORM_CFG


@MODELS.register_module()
class C3k(BaseModule):
    """Cross-stage partial unit: a chain of Darknet units beside a 1x1 shortcut convolution.

    Args:
        channels (int): Channels of input and output; half of them inside.
        num_units (int): Darknet units in the chain.
        shortcut (bool): Passed to the units.
        norm_cfg, act_cfg (dict): Normalisation and activation of each convolution.

    Shape: (B, channels, H, W) -> (B, channels, H, W).
    """

    def __init__(self, channels: int, num_units: int = 2, shortcut: bool = True,
                 norm_cfg: dict = NORM_CFG, act_cfg: dict = ACT_CFG, init_cfg=None) -> None:
        super().__init__(init_cfg)
        mid_channels = channels // 2
        cfg = dict(norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.main_conv = ConvModule(channels, mid_channels, 1, **cfg)
        self.short_conv = ConvModule(channels, mid_channels, 1, **cfg)
        self.final_conv = ConvModule(2 * mid_channels, channels, 1, **cfg)
        self.blocks = nn.Sequential(*(DarknetUnit(mid_channels, shortcut, **cfg)
                                      for _ in range(num_units)))

    def forward(self, x: Tensor) -> Tensor:
        return self.final_conv(torch.cat([self.blocks(self.main_conv(x)), self.short_conv(x)], 1))


@MODELS.register_module()
class C3k2(C2f):
    """C2f with YOLO11's units: narrow Darknet units, or ``unit=dict(type='C3k')``.

    Arguments and shapes: see :class:`C2f`.
    """

    def __init__(self, *args, unit: dict = dict(type='DarknetUnit', expansion=0.5),  # noqa: B006
                 **kwargs) -> None:
        super().__init__(*args, unit=unit, **kwargs)
