"""CGNet's context guided block (Wu et al., IEEE TIP, 2021)."""
import copy

import torch
from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from medseg.models.defaults import NORM_CFG
from projects.lmsfa.attention.se_attention import SEAttention

from .rvb import bn_affine


class LocalAndSurrounding(nn.Module):
    """A depthwise 3x3 convolution beside a dilated one, concatenated.

    Shape: (B, channels, H, W) -> (B, 2 * channels, H, W).
    """

    def __init__(self, channels: int, dilation: int, bias: bool = False) -> None:
        super().__init__()
        cfg = dict(kernel_size=3, groups=channels, bias=bias)
        self.local = nn.Conv2d(channels, channels, padding=1, **cfg)
        self.surrounding = nn.Conv2d(channels, channels, padding=dilation, dilation=dilation, **cfg)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.local(x), self.surrounding(x)], dim=1)


class JointFeature(BaseModule):
    """Local feature and surrounding context, with the BatchNorm and PReLU they share.

    Args:
        channels (int): Channels of the input, half of those of the output.
        dilation (int): Of the surrounding context's convolution.
        norm_cfg (dict): ``momentum`` and ``eps`` of the BatchNorm.

    Shape: (B, channels, H, W) -> (B, 2 * channels, H, W).
    """

    def __init__(self, channels: int, dilation: int, norm_cfg: dict = NORM_CFG,
                 init_cfg=None) -> None:
        super().__init__(init_cfg)
        bn_args = {k: v for k, v in norm_cfg.items() if k in ('eps', 'momentum')}
        self.norm = nn.BatchNorm2d(2 * channels, **bn_args)
        self.convs = LocalAndSurrounding(channels, dilation)
        self.act = nn.PReLU(2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.convs(x)))

    @torch.no_grad()
    def fuse(self) -> nn.Sequential:
        """The same with the BatchNorm merged into both convolutions, in eval mode."""
        convs = copy.deepcopy(self.convs)
        scales, shifts = (t.chunk(2) for t in bn_affine(self.norm))
        for conv, scale, shift in zip((convs.local, convs.surrounding), scales, shifts,
                                      strict=True):
            conv.weight.mul_(scale.view(-1, 1, 1, 1))
            conv.bias = nn.Parameter(shift.clone())
        return nn.Sequential(convs, self.act)


@MODELS.register_module()
class ContextGuidedUnit(BaseModule):
    """Local feature, surrounding context and global context: the unit of C2f-CG.

    A 1x1 convolution halves the channels; a depthwise and a dilated depthwise 3x3 convolution give
    local feature and surrounding context, concatenated to all channels; squeeze-and-excitation of
    the joint feature adds the global context; a residual goes round the whole ("global residual
    learning").

    Args:
        channels (int): Channels of input and output; even.
        dilation (int): Of the surrounding context; 2 as in CGNet's second stage.
        reduction (int): Of the global context's bottleneck; 16 as in CGNet.
        norm_cfg (dict): Normalisation.

    Shape: (B, channels, H, W) -> (B, channels, H, W).
    """

    def __init__(self, channels: int, dilation: int = 2, reduction: int = 16,
                 norm_cfg: dict = NORM_CFG, init_cfg=None) -> None:
        super().__init__(init_cfg)
        if channels % 2:
            raise ValueError(f'ContextGuidedUnit: channels must be even, got {channels}')
        half = channels // 2
        self.reduce = ConvModule(channels, half, 1, norm_cfg=norm_cfg,
                                 act_cfg=dict(type='PReLU', num_parameters=half))
        self.joint = JointFeature(half, dilation, norm_cfg)
        self.global_context = SEAttention(channels, reduction)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.global_context(self.joint(self.reduce(x)))
