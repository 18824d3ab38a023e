"""The edge model's head: one set of convolutions for all levels, norms that fold."""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule, build_activation_layer, build_norm_layer
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from medseg.models.prototype_head import PrototypeHead
from projects.lmsfa.units.rep_units import EDGE_ACT_CFG, RepConv
from projects.lmsfa.units.rvb import bn_affine


class LevelNormConv(BaseModule):
    """A convolution that all levels share, with a BatchNorm for each.

    LMSH's GroupNorm does not fold into its convolution: it costs a pass over every map, in FP32
    between INT8 layers. BatchNorm does, and with statistics for each level the shared weights
    train as in RTMDet's head; a map has hundreds of locations, so that one image makes a batch.

    Args:
        in_channels, out_channels (int): Channels.
        kernel_size (int): Odd size of the kernel.
        num_levels (int): Number of levels.
        groups (int): Groups of the convolution.
        norm_cfg, act_cfg (dict): Normalisation and activation.

    Shape: (B, in_channels, H, W) -> (B, out_channels, H, W).
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, num_levels: int,
                 groups: int, norm_cfg: dict, act_cfg: dict, init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2,
                              groups=groups, bias=False)
        self.norms = nn.ModuleList(
            build_norm_layer(norm_cfg, out_channels)[1] for _ in range(num_levels))
        self.activate = build_activation_layer(act_cfg)

    def forward(self, x: Tensor, level: int) -> Tensor:
        return self.activate(self.norms[level](self.conv(x)))

    def fuse(self) -> 'FusedLevelConv':
        """The same function for inference: a convolution with bias for each level."""
        return FusedLevelConv(self)


class FusedLevelConv(nn.Module):
    """Inference form of :class:`LevelNormConv`."""

    @torch.no_grad()
    def __init__(self, source: LevelNormConv) -> None:
        super().__init__()
        conv, self.convs = source.conv, nn.ModuleList()
        for norm in source.norms:
            scale, shift = bn_affine(norm)
            fused = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size,
                              padding=conv.padding, groups=conv.groups,
                              device=conv.weight.device, dtype=conv.weight.dtype)
            fused.weight.copy_(conv.weight * scale.view(-1, 1, 1, 1))
            fused.bias.copy_(shift)
            self.convs.append(fused)
        self.activate = source.activate

    def forward(self, x: Tensor, level: int) -> Tensor:
        return self.activate(self.convs[level](x))


class EdgeProtoNet(BaseModule):
    """Prototypes by depthwise and pointwise convolutions, wide only on the coarse grid.

    Args:
        in_channels (int): Channels of the stride-8 map.
        num_protos (int): Number of prototypes.
        norm_cfg, act_cfg (dict): Normalisation and activation.

    Shape: (B, in_channels, H, W) -> (B, num_protos, 2H, 2W).
    """

    def __init__(self, in_channels: int, num_protos: int, norm_cfg: dict, act_cfg: dict,
                 init_cfg=None) -> None:
        super().__init__(init_cfg)
        cfg = dict(norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.reduce = ConvModule(in_channels, num_protos, 3, padding=1, **cfg)
        self.mix = RepConv(num_protos, (5, 3, 1), depthwise=True, norm_cfg=norm_cfg)
        self.activate = build_activation_layer(act_cfg)
        self.project = nn.Conv2d(num_protos, num_protos, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.interpolate(self.reduce(x), scale_factor=2.0)
        return self.project(self.activate(self.mix(x)))


@MODELS.register_module()
class EdgeHead(PrototypeHead):
    """Depthwise-separable convolutions and one prediction layer of all levels; boxes direct.

    A shared 5x5 depthwise and a 1x1 convolution, twice, then one 1x1 convolution for classes,
    distances and coefficients together. ``reg_max=1``: four distances, no distribution.

    Args:
        feat_channels (int, optional): Width of the shared part; by default that of the maps.
        num_convs (int): Depthwise-separable convolutions in a row.

    Further arguments: see :class:`PrototypeHead`; ``in_channels`` must be equal for all levels.
    """

    def __init__(self, num_classes: int, in_channels: Sequence[int],
                 feat_channels: int | None = None, num_convs: int = 2, reg_max: int = 1,
                 act_cfg: dict = EDGE_ACT_CFG, **kwargs) -> None:
        super().__init__(num_classes, in_channels, reg_max=reg_max, act_cfg=act_cfg, **kwargs)
        if len(set(self.in_channels)) != 1:
            raise ValueError('EdgeHead: its convolutions serve all levels, so they need equal '
                             f'channels, got {self.in_channels}')
        width = feat_channels or self.in_channels[0]
        levels = len(self.strides)
        cfg = dict(num_levels=levels, norm_cfg=self.norm_cfg, act_cfg=act_cfg)
        self.layers = nn.ModuleList()
        for i in range(num_convs):
            channels = self.in_channels[0] if i == 0 else width
            self.layers.append(LevelNormConv(channels, channels, 5, groups=channels, **cfg))
            self.layers.append(LevelNormConv(channels, width, 1, groups=1, **cfg))
        self.cls_conv = nn.Conv2d(width, num_classes, 1)
        self.box_conv = nn.Conv2d(width, 4 * self.reg_max, 1)
        self.coeff_conv = nn.Conv2d(width, self.num_protos, 1)
        self.init_biases([self.cls_conv], [self.box_conv])

    def build_proto_net(self, channels: int) -> nn.Module:
        return EdgeProtoNet(self.in_channels[0], self.num_protos, self.norm_cfg, self.act_cfg)

    def init_weights(self) -> None:
        super().init_weights()
        self.init_biases([self.cls_conv], [self.box_conv])

    def forward_level(self, x: Tensor, level: int) -> tuple[Tensor, Tensor, Tensor]:
        for layer in self.layers:
            x = layer(x, level)
        return self.cls_conv(x), self.box_conv(x), self.coeff_conv(x)
