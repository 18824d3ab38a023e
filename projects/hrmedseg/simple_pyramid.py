"""Maps of several strides from the one map of a plain transformer, as in ViTDet."""
from __future__ import annotations

import math
from collections.abc import Sequence

from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from .embedding_neck import ChannelLayerNorm


def _rescale(channels: int, steps: int) -> tuple[list[nn.Module], int]:
    """Layers that double (``steps`` > 0) or halve the sides, and the channels behind them."""
    layers: list[nn.Module] = []
    for step in range(steps):
        layers.append(nn.ConvTranspose2d(channels, channels // 2, 2, 2))
        channels //= 2
        if step < steps - 1:
            layers += [ChannelLayerNorm(channels), nn.GELU()]
    layers += [nn.MaxPool2d(2, 2) for _ in range(-steps)]
    return layers, channels


@MODELS.register_module()
class SimplePyramid(BaseModule):
    """A level a stride: transposed convolutions or pooling, then 1x1 and 3x3 convolution with
    channel layer normalisation (Li et al., *Exploring Plain Vision Transformer Backbones for
    Object Detection*, ECCV 2022).

    Args:
        in_channels (int): Of the map.
        out_channels (Sequence[int]): Of the levels.
        strides (Sequence[int]): Of the levels, powers of two; one may come twice.
        in_stride (int): Of the map.

    Shape: a sequence whose last map is (B, in_channels, h, w) -> a map for each stride s,
    (B, out, h * in_stride / s, w * in_stride / s).

    Raises:
        ValueError: Numbers of levels differ, or a stride is no power of two.
    """

    def __init__(self, in_channels: int, out_channels: Sequence[int], strides: Sequence[int],
                 in_stride: int = 16, init_cfg=None) -> None:
        super().__init__(init_cfg)
        if len(out_channels) != len(strides):
            raise ValueError(f'SimplePyramid: {len(strides)} strides and {len(out_channels)} '
                             'numbers of channels')
        self.levels = nn.ModuleList()
        for stride, channels in zip(strides, out_channels, strict=True):
            steps = math.log2(in_stride / stride)
            if not steps.is_integer():
                raise ValueError(f'SimplePyramid: stride {stride} is no power of two from '
                                 f'{in_stride}')
            layers, width = _rescale(in_channels, int(steps))
            self.levels.append(nn.Sequential(
                *layers, nn.Conv2d(width, channels, 1, bias=False), ChannelLayerNorm(channels),
                nn.Conv2d(channels, channels, 3, padding=1, bias=False),
                ChannelLayerNorm(channels)))

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple(level(feats[-1]) for level in self.levels)
