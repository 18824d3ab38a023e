"""SparseInst's encoder (Cheng et al., CVPR 2022, Section 3.2)."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

_RELU = dict(type='ReLU', inplace=True)


class PyramidPooling(BaseModule):
    """Context at several scales: pooled to a few cells, projected, put beside the input.

    Args:
        channels (int): Channels in and out.
        sizes (Sequence[int]): Cells of a side, a branch each; they share ``channels`` evenly.
    """

    def __init__(self, channels: int, sizes: Sequence[int] = (1, 2, 3, 6)) -> None:
        super().__init__()
        self.sizes = tuple(sizes)
        width = channels // len(self.sizes)
        self.branches = nn.ModuleList(
            ConvModule(channels, width, 1, act_cfg=_RELU) for _ in self.sizes)
        self.project = ConvModule(channels + width * len(self.sizes), channels, 1, act_cfg=_RELU)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        context = [
            F.interpolate(branch(F.adaptive_avg_pool2d(x, size)), size=x.shape[-2:],
                          mode='bilinear', align_corners=False)
            for branch, size in zip(self.branches, self.sizes, strict=True)]
        return self.project(torch.cat([*context, x], 1))


@MODELS.register_module()
class InstanceContextEncoder(BaseModule):
    """A feature pyramid with pooled context, merged into one map of the finest stride.

    Args:
        in_channels (Sequence[int]): Channels of the backbone's maps, finest first; each is half
            the size of the one before.
        channels (int): Channels of the pyramid and the output.
        init_cfg (dict, optional): Initialisation; by default Xavier's for the pyramid.
    """

    def __init__(self, in_channels: Sequence[int] = (512, 1024, 2048), channels: int = 256,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg or dict(type='Xavier', layer='Conv2d', distribution='uniform'))
        self.laterals = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in in_channels)
        self.outputs = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1) for _ in in_channels)
        self.context = PyramidPooling(channels)
        self.fusion = nn.Conv2d(channels * len(in_channels), channels, 1)

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor]:
        """Merge the backbone's maps.

        Args:
            feats (Sequence[Tensor]): (B, C_i, H_i, W_i), finest first.

        Returns:
            tuple[Tensor]: One map, (B, channels, H_0, W_0).
        """
        laterals = [conv(x) for conv, x in zip(self.laterals, feats, strict=True)]
        top = self.context(laterals[-1])
        size = laterals[0].shape[-2:]
        maps = []
        for i in reversed(range(len(laterals))):
            if i < len(laterals) - 1:
                top = laterals[i] + F.interpolate(top, size=laterals[i].shape[-2:], mode='nearest')
            maps.insert(0, self.outputs[i](top))
        maps = [maps[0], *(F.interpolate(x, size=size, mode='bilinear', align_corners=False)
                           for x in maps[1:])]
        return self.fusion(torch.cat(maps, 1)),
