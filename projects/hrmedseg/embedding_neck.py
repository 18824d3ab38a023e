"""The neck between encoder and decoder, as SAM has it."""
from __future__ import annotations

import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn


class ChannelLayerNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each pixel; (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__(channels, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        # In a channels-last map the channels lie together already.
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


@MODELS.register_module()
class EmbeddingNeck(BaseModule):
    """1x1 and 3x3 convolution without bias, each with a channel layer normalisation behind it.

    Args:
        in_channels (int): Of the encoder's map.
        out_channels (int): Of the image embedding.

    Shape: a sequence whose last map is (B, in_channels, H, W) -> tuple of one map
    (B, out_channels, H, W).
    """

    def __init__(self, in_channels: int = 96, out_channels: int = 256, init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, bias=False), ChannelLayerNorm(out_channels),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            ChannelLayerNorm(out_channels))

    def forward(self, feats: tuple[Tensor, ...]) -> tuple[Tensor]:
        return (self.layers(feats[-1].contiguous(memory_format=torch.channels_last)),)
