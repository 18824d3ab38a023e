"""SPPF: fast spatial pyramid pooling of the YOLO family."""
import torch
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import Tensor, nn

from .defaults import ACT_CFG, NORM_CFG


class SPPF(BaseModule):
    """Three chained max pools see windows of k, 2k-1 and 3k-2 pixels.

    Args:
        in_channels (int): Channels of the input; half of them inside.
        out_channels (int): Channels of the output.
        kernel_size (int): Odd size of each pooling window.
        linear_conv1 (bool): No activation after the first convolution. False in YOLOv8 and
            YOLO11 as published; Ultralytics 8.4.0 and its successors until September 2026
            trained both without it (its pull request 26040).

    Shape: (B, in_channels, H, W) -> (B, out_channels, H, W).
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 5,
                 norm_cfg: dict = NORM_CFG, act_cfg: dict = ACT_CFG, linear_conv1: bool = False,
                 init_cfg=None) -> None:
        super().__init__(init_cfg)
        mid = in_channels // 2
        cfg = dict(kernel_size=1, norm_cfg=norm_cfg)
        self.conv1 = ConvModule(in_channels, mid, act_cfg=None if linear_conv1 else act_cfg, **cfg)
        self.conv2 = ConvModule(mid * 4, out_channels, act_cfg=act_cfg, **cfg)
        if linear_conv1:
            # The two kinds have the same weights: this keeps a checkpoint of the one from being
            # loaded into the other unnoticed.
            self.register_buffer('linear_conv1', torch.tensor(True))
        self.pool = nn.MaxPool2d(kernel_size, stride=1, padding=kernel_size // 2)

    def forward(self, x: Tensor) -> Tensor:
        outs = [self.conv1(x)]
        for _ in range(3):
            outs.append(self.pool(outs[-1]))
        return self.conv2(torch.cat(outs, dim=1))
