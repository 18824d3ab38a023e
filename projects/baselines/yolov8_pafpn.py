"""Path-aggregation neck of YOLOv8 (the neck of the baseline rows) and YOLO11."""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from medseg.models.defaults import ACT_CFG, NORM_CFG, scale_depth


@MODELS.register_module()
class YOLOv8PAFPN(BaseModule):
    """Top-down then bottom-up, each step a concatenation and a block.

    Args:
        in_channels (tuple[int, int, int]): Channels at strides 8, 16, 32.
        out_channels (tuple[int, int, int], optional): Channels of the outputs; by default those
            of the inputs.
        deepen_factor (float): Scales the units a block.
        num_blocks (int): Units a block at ``deepen_factor`` 1.
        block (dict | Sequence[dict]): Registered block (``C2f``, ``C2fPro``, ...) of all four
            steps, or one a step: top-down to strides 16 and 8, bottom-up to 16 and 32.
        shortcut (bool): Passed to units that have that choice: False in YOLOv8, True in YOLO11.
        norm_cfg, act_cfg (dict): Normalisation and activation.

    Shape: tuple of (B, C_i, H / s_i, W / s_i), s = 8, 16, 32 -> the same with the channels of
    ``out_channels``.
    """

    def __init__(self, in_channels: tuple[int, int, int],
                 out_channels: tuple[int, int, int] | None = None, deepen_factor: float = 0.33,
                 num_blocks: int = 3,
                 block: dict | Sequence[dict] = dict(type='C2f'),  # noqa: B006
                 shortcut: bool = False, norm_cfg: dict = NORM_CFG, act_cfg: dict = ACT_CFG,
                 init_cfg=None) -> None:
        super().__init__(init_cfg)
        blocks = [block] * 4 if isinstance(block, dict) else list(block)
        if len(blocks) != 4:
            raise ValueError(f'YOLOv8PAFPN: `block` needs 1 or 4 entries, got {len(blocks)}')
        in3, in4, in5 = in_channels
        out3, out4, out5 = out_channels or in_channels
        cfg = dict(norm_cfg=norm_cfg, act_cfg=act_cfg)

        def make_block(step: int, c_in: int, c_out: int) -> BaseModule:
            return MODELS.build(dict(
                blocks[step], in_channels=c_in, out_channels=c_out, shortcut=shortcut,
                num_blocks=scale_depth(num_blocks, deepen_factor), **cfg))

        self.top_down4 = make_block(0, in5 + in4, out4)
        self.top_down3 = make_block(1, out4 + in3, out3)
        self.down3 = ConvModule(out3, out3, 3, stride=2, padding=1, **cfg)
        self.bottom_up4 = make_block(2, out3 + out4, out4)
        self.down4 = ConvModule(out4, out4, 3, stride=2, padding=1, **cfg)
        self.bottom_up5 = make_block(3, out4 + in5, out5)

    def forward(self, feats: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        p3, p4, p5 = feats
        t4 = self.top_down4(torch.cat([F.interpolate(p5, scale_factor=2.0), p4], 1))
        n3 = self.top_down3(torch.cat([F.interpolate(t4, scale_factor=2.0), p3], 1))
        n4 = self.bottom_up4(torch.cat([self.down3(n3), t4], 1))
        n5 = self.bottom_up5(torch.cat([self.down4(n4), p5], 1))
        return n3, n4, n5
