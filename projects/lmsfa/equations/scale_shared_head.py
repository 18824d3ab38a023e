"""LMSH as Section III-D describes it (Eq. 17-21), with prototype-coefficient masks."""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule, Scale
from mmdet.registry import MODELS
from torch import Tensor, nn

from medseg.models.prototype_head import PrototypeHead


class SharedResidualBlock(nn.Module):
    r""":math:`\Phi + PW_{1\times1}(\delta(DW_{3\times3}(\Phi)))` (Eq. 18).

    Shape: (B, channels, H, W) -> (B, channels, H, W).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.pointwise = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.pointwise(F.relu(self.depthwise(x)))


class GatedAggregation(nn.Module):
    r"""All scales on the finest grid, the finest dominant (Eq. 19-20).

    .. math::
        U_3 = \Phi_3, \quad U_4 = Up(Conv(\Phi_4)), \quad U_5 = Up(Up(Conv(\Phi_5))), \\
        A = \sigma(Conv([U_3, U_4, U_5])), \quad
        G = A \odot U_3 + (1 - A) \odot Conv([U_4, U_5])

    Shape: (Phi3, Phi4, Phi5), (B, C_h, H / 2^i, W / 2^i) -> G (B, C_h, H, W).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv4 = nn.Conv2d(channels, channels, 1)
        self.conv5 = nn.Conv2d(channels, channels, 1)
        self.gate_conv = nn.Conv2d(3 * channels, channels, 1)
        self.deep_conv = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, feats: Sequence[Tensor]) -> Tensor:
        u3 = feats[0]
        u4 = F.interpolate(self.conv4(feats[1]), scale_factor=2.0)
        u5 = F.interpolate(self.conv5(feats[2]), scale_factor=4.0)
        gate = self.gate_conv(torch.cat([u3, u4, u5], 1)).sigmoid()
        return gate * u3 + (1 - gate) * self.deep_conv(torch.cat([u4, u5], 1))


class PrototypeDecoder(nn.Module):
    r"""The minimal decoder: :math:`L_4 = DWPW_{3\times3}(Up(Conv_{1\times1}(G)))` (Eq. 21).

    Shape: G (B, channels, H, W) -> prototypes (B, num_protos, 2H, 2W).
    """

    def __init__(self, channels: int, num_protos: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, num_protos, 1)
        self.depthwise = nn.Conv2d(num_protos, num_protos, 3, padding=1, groups=num_protos)
        self.pointwise = nn.Conv2d(num_protos, num_protos, 1)

    def forward(self, x: Tensor) -> Tensor:
        up = F.interpolate(self.conv(x), scale_factor=2.0)
        return self.pointwise(self.depthwise(up))


@MODELS.register_module()
class ScaleSharedHead(PrototypeHead):
    r"""Shared projection and residual blocks, gated aggregation, minimal decoder.

    :math:`Z_\ell = Conv^{shared}_{1\times1}(F_\ell)` (Eq. 17) followed by GroupNorm, which the
    section's text names and its equations omit; B shared blocks (Eq. 18); aggregation to G
    (Eq. 19-20); :math:`L_8 = Conv(G)`, :math:`L_4 = DWPW(Up(L_8))` (Eq. 21). The paper lets masks
    come "via a prototype-coefficient scheme": L_4 holds the prototypes, and classes, boxes and
    coefficients are shared 1x1 convolutions of the refined levels, boxes times a learnable scale a
    level, so that both wirings share assigner, losses and post-processing.

    Args:
        feat_channels (int): C_h. Open in the paper; 64, the width of the neck.
        num_blocks (int): B. Open in the paper; 2, as the release has two shared convolutions.
        num_groups (int): Groups of GroupNorm.

    Further arguments: see :class:`PrototypeHead`, without ``proto_channels``; ``in_channels`` must
    be equal for all levels, as one projection serves them.
    """

    def __init__(self, num_classes: int, in_channels: Sequence[int], feat_channels: int = 64,
                 num_blocks: int = 2, num_groups: int = 16, **kwargs) -> None:
        super().__init__(num_classes, in_channels, proto_channels=feat_channels, **kwargs)
        if len(set(self.in_channels)) != 1:
            raise ValueError('ScaleSharedHead: one projection serves all levels, so they need '
                             f'equal channels, got {self.in_channels}')
        self.projection = ConvModule(
            self.in_channels[0], feat_channels, 1,
            norm_cfg=dict(type='GN', num_groups=num_groups), act_cfg=None)
        self.blocks = nn.Sequential(*(SharedResidualBlock(feat_channels)
                                      for _ in range(num_blocks)))
        self.aggregation = GatedAggregation(feat_channels)
        self.box_conv = nn.Conv2d(feat_channels, 4 * self.reg_max, 1)
        self.cls_conv = nn.Conv2d(feat_channels, num_classes, 1)
        self.coeff_conv = nn.Conv2d(feat_channels, self.num_protos, 1)
        self.scales = nn.ModuleList(Scale(1.0) for _ in self.in_channels)
        self.init_biases([self.cls_conv], [self.box_conv])

    def build_proto_net(self, channels: int) -> nn.Module:
        return PrototypeDecoder(channels, self.num_protos)

    def init_weights(self) -> None:
        super().init_weights()
        self.init_biases([self.cls_conv], [self.box_conv])

    def refine(self, x: Tensor) -> Tensor:
        """Phi of one level (Eq. 17-18), (B, C_h, H, W)."""
        return self.blocks(self.projection(x))

    def forward(self, feats: Sequence[Tensor]) -> tuple[list, list, list, Tensor]:
        return super().forward([self.refine(x) for x in feats])

    def forward_level(self, x: Tensor, level: int) -> tuple[Tensor, Tensor, Tensor]:
        return self.cls_conv(x), self.scales[level](self.box_conv(x)), self.coeff_conv(x)

    def forward_protos(self, feats: Sequence[Tensor]) -> Tensor:
        return self.proto_net(self.aggregation(feats))
