"""LMSH: the lightweight multi-task shared head of LMSF-A's release wiring."""
from collections.abc import Sequence

from mmcv.cnn import ConvModule, Scale
from mmdet.registry import MODELS
from torch import Tensor, nn

from medseg.models.prototype_head import PrototypeHead


@MODELS.register_module()
class LMSHead(PrototypeHead):
    """Shared convolutions with GroupNorm for classes and boxes of all levels.

    Each level is projected (1x1, GN, SiLU) to ``feat_channels``; two 3x3 convolutions (GN, SiLU)
    and the 1x1 class and box branches are shared by the levels, the box branch times a
    learnable scale a level. Coefficients have a small branch a level (1x1, 3x3, 1x1) of
    max(C3 / 4, num_protos) channels. GroupNorm keeps batch-1 training stable.

    Args:
        feat_channels (int, optional): Width of the shared part; by default C3, the channels of
            the finest map.
        num_groups (int): Groups of each GroupNorm.

    Further arguments: see :class:`PrototypeHead`.
    """

    def __init__(self, num_classes: int, in_channels: Sequence[int],
                 feat_channels: int | None = None, num_groups: int = 16, **kwargs) -> None:
        super().__init__(num_classes, in_channels, **kwargs)
        c3 = self.in_channels[0]
        feat_channels = feat_channels or c3
        coeff_channels = max(c3 // 4, self.num_protos)
        cfg = dict(norm_cfg=dict(type='GN', num_groups=num_groups), act_cfg=self.act_cfg)
        self.level_convs = nn.ModuleList(
            ConvModule(c, feat_channels, 1, **cfg) for c in self.in_channels)
        self.shared_convs = nn.Sequential(*(
            ConvModule(feat_channels, feat_channels, 3, padding=1, **cfg) for _ in range(2)))
        self.box_conv = nn.Conv2d(feat_channels, 4 * self.reg_max, 1)
        self.cls_conv = nn.Conv2d(feat_channels, num_classes, 1)
        self.scales = nn.ModuleList(Scale(1.0) for _ in self.in_channels)
        self.coeff_branches = nn.ModuleList(nn.Sequential(
            ConvModule(c, coeff_channels, 1, **cfg),
            ConvModule(coeff_channels, coeff_channels, 3, padding=1, **cfg),
            nn.Conv2d(coeff_channels, self.num_protos, 1)) for c in self.in_channels)
        self.init_biases([self.cls_conv], [self.box_conv])

    def init_weights(self) -> None:
        super().init_weights()
        self.init_biases([self.cls_conv], [self.box_conv])

    def forward_level(self, x: Tensor, level: int) -> tuple[Tensor, Tensor, Tensor]:
        shared = self.shared_convs(self.level_convs[level](x))
        return (self.cls_conv(shared), self.scales[level](self.box_conv(shared)),
                self.coeff_branches[level](x))
