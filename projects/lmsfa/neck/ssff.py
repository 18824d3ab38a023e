"""SSFF: scale-sequence feature fusion (ASF-YOLO's ScalSeq, as LMSF-A's release uses it)."""
import copy

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from medseg.models.defaults import ACT_CFG, NORM_CFG


@MODELS.register_module()
class SSFF(BaseModule):
    """Fuse three scales by a 3-D convolution over (scale, height, width).

    The deeper maps are projected to the channels of the finest, upsampled (nearest) to its grid
    and stacked on a scale axis; Conv3d 1x1x1, BatchNorm3d, LeakyReLU(0.1) and the maximum over
    the scales follow. A 1x1x1 convolution does not look across scales, so the stack lies on the
    batch axis here: a 2-D convolution with the same weights and the same statistics.

    Args:
        in_channels (tuple[int, int, int]): Channels of the maps at strides 8, 16 and 32.
        out_channels (int): Channels inside and out; a projection is skipped where a map has them.

    Shape: ((B, c3, H, W), (B, c4, H/2, W/2), (B, c5, H/4, W/4)) -> (B, out_channels, H, W).
    """

    def __init__(self, in_channels: tuple[int, int, int], out_channels: int,
                 norm_cfg: dict = NORM_CFG, act_cfg: dict = ACT_CFG, init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.projections = nn.ModuleList(
            nn.Identity() if i == 0 and c == out_channels else ConvModule(
                c, out_channels, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)
            for i, c in enumerate(in_channels))
        self.scale_conv = ConvModule(out_channels, out_channels, 1, bias=True, norm_cfg=norm_cfg,
                                     act_cfg=dict(type='LeakyReLU', negative_slope=0.1))

    def forward(self, feats: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        size = feats[0].shape[-2:]
        stack = torch.cat([F.interpolate(p(x), size=size) if i else p(x)
                           for i, (p, x) in enumerate(zip(self.projections, feats, strict=True))])
        return torch.stack(self.scale_conv(stack).chunk(len(feats))).amax(dim=0)

    def fuse(self) -> 'FusedSSFF':
        """The same function for inference, with every convolution on its own, smaller grid."""
        return FusedSSFF(self)


class FusedSSFF(nn.Module):
    """Inference form of :class:`SSFF`.

    A 1x1 convolution and a pointwise activation commute with nearest upsampling once BatchNorm
    is a fixed affine map, so the deeper scales are convolved before they are upsampled. Takes
    input sizes that are multiples of 32, as the data preprocessor pads them.
    """

    def __init__(self, ssff: SSFF) -> None:
        super().__init__()
        self.projections = copy.deepcopy(ssff.projections)
        self.scale_conv = copy.deepcopy(ssff.scale_conv)

    def forward(self, feats: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        maps = [self.scale_conv(p(x)) for p, x in zip(self.projections, feats, strict=True)]
        deep = torch.maximum(maps[1], F.interpolate(maps[2], scale_factor=2.0))
        return torch.maximum(maps[0], F.interpolate(deep, scale_factor=2.0))
