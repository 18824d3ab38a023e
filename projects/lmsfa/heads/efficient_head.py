"""Efficient head: classes and boxes share their 3x3 convolutions."""
from collections.abc import Sequence

from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from torch import Tensor, nn

from medseg.models.prototype_head import PrototypeHead


@MODELS.register_module()
class EfficientHead(PrototypeHead):
    """A stem of 3x3 convolutions a level, then one 1x1 convolution each for classes and boxes.

    The LMSF-A paper's reference for "EfficientHead" is about head-pose estimation and defines no
    such head. This is the one known by that name among YOLOv8's variants; two stem convolutions
    of the level's own width give the paper's printed parameters and FLOPs. Mask coefficients keep
    YOLOv8-seg's branch, 3x3, 3x3, 1x1, of max(C3 / 4, num_protos) channels.

    Args:
        stem_convs (int): Number of 3x3 convolutions of the stem.

    Further arguments: see :class:`PrototypeHead`.
    """

    def __init__(self, num_classes: int, in_channels: Sequence[int], stem_convs: int = 2,
                 **kwargs) -> None:
        super().__init__(num_classes, in_channels, **kwargs)
        cfg = dict(kernel_size=3, padding=1, norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)
        self.stems = nn.ModuleList(nn.Sequential(
            *(ConvModule(c, c, **cfg) for _ in range(stem_convs))) for c in self.in_channels)
        self.box_convs = nn.ModuleList(
            nn.Conv2d(c, 4 * self.reg_max, 1) for c in self.in_channels)
        self.cls_convs = nn.ModuleList(nn.Conv2d(c, num_classes, 1) for c in self.in_channels)
        coeff_channels = max(self.in_channels[0] // 4, self.num_protos)
        self.coeff_branches = nn.ModuleList(nn.Sequential(
            ConvModule(c, coeff_channels, **cfg), ConvModule(coeff_channels, coeff_channels, **cfg),
            nn.Conv2d(coeff_channels, self.num_protos, 1)) for c in self.in_channels)
        self.init_biases(self.cls_convs, self.box_convs)

    def init_weights(self) -> None:
        super().init_weights()
        self.init_biases(self.cls_convs, self.box_convs)

    def forward_level(self, x: Tensor, level: int) -> tuple[Tensor, Tensor, Tensor]:
        stem = self.stems[level](x)
        return self.cls_convs[level](stem), self.box_convs[level](stem), \
            self.coeff_branches[level](x)
