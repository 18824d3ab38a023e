"""Path-aggregation neck of YOLOv8: the neck of the baseline rows."""
import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from ..utils.defaults import ACT_CFG, NORM_CFG, scale_depth


@MODELS.register_module()
class YOLOv8PAFPN(BaseModule):
    """Top-down then bottom-up, each step a concatenation and a block.

    Args:
        in_channels (tuple[int, int, int]): Channels at strides 8, 16, 32, also of the outputs.
        deepen_factor (float): Scales the units a block, 3 at 1.0.
        block (dict): Registered block (``C2f``, ``C2fPro``, ...).
        norm_cfg, act_cfg (dict): Normalisation and activation.

    Shape: tuple of (B, C_i, H / s_i, W / s_i), s = 8, 16, 32 -> the same shapes.
    """

    def __init__(self, in_channels: tuple[int, int, int], deepen_factor: float = 0.33,
                 block: dict = dict(type='C2f'), norm_cfg: dict = NORM_CFG,  # noqa: B006
                 act_cfg: dict = ACT_CFG, init_cfg=None) -> None:
        super().__init__(init_cfg)
        c3, c4, c5 = in_channels
        cfg = dict(norm_cfg=norm_cfg, act_cfg=act_cfg)

        def make_block(c_in: int, c_out: int) -> BaseModule:
            return MODELS.build(dict(block, in_channels=c_in, out_channels=c_out, shortcut=False,
                                     num_blocks=scale_depth(3, deepen_factor), **cfg))

        self.top_down4 = make_block(c5 + c4, c4)
        self.top_down3 = make_block(c4 + c3, c3)
        self.down3 = ConvModule(c3, c3, 3, stride=2, padding=1, **cfg)
        self.bottom_up4 = make_block(c3 + c4, c4)
        self.down4 = ConvModule(c4, c4, 3, stride=2, padding=1, **cfg)
        self.bottom_up5 = make_block(c4 + c5, c5)

    def forward(self, feats: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        p3, p4, p5 = feats
        t4 = self.top_down4(torch.cat([F.interpolate(p5, scale_factor=2.0), p4], 1))
        n3 = self.top_down3(torch.cat([F.interpolate(t4, scale_factor=2.0), p3], 1))
        n4 = self.bottom_up4(torch.cat([self.down3(n3), t4], 1))
        n5 = self.bottom_up5(torch.cat([self.down4(n4), p5], 1))
        return n3, n4, n5
