"""LADH: the lightweight asymmetric detection head (Zhang et al., Remote Sensing, 2023)."""
from collections.abc import Sequence

from mmcv.cnn import ConvModule, DepthwiseSeparableConvModule
from mmdet.registry import MODELS
from torch import Tensor, nn

from medseg.models.prototype_head import PrototypeHead


@MODELS.register_module()
class LADHHead(PrototypeHead):
    """Branches as deep as their task is hard, all of depthwise separable or 1x1 convolutions.

    The class branch is two 1x1 convolutions, the box branch three separable 3x3 and one 1x1, the
    coefficient branch two separable 3x3 and one 1x1, each with a last 1x1 convolution to its maps.
    Nothing is shared by the levels. The paper is about detection; the coefficient branch follows
    its box branch. Widths are those of :class:`YOLOv8SegHead`.

    Args:
        num_box_convs, num_coeff_convs, num_cls_convs (int): Convolutions before the last two
            (box, coefficients) or the last one (classes) of a branch.

    Further arguments: see :class:`PrototypeHead`.
    """

    def __init__(self, num_classes: int, in_channels: Sequence[int], num_box_convs: int = 3,
                 num_coeff_convs: int = 2, num_cls_convs: int = 2, **kwargs) -> None:
        super().__init__(num_classes, in_channels, **kwargs)
        c3 = self.in_channels[0]
        self.box_branches = self._separable_branches(
            max(16, c3 // 4, 4 * self.reg_max), num_box_convs, 4 * self.reg_max)
        self.coeff_branches = self._separable_branches(
            max(c3 // 4, self.num_protos), num_coeff_convs, self.num_protos)
        cls_channels = max(c3, min(num_classes, 100))
        cfg = dict(norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)
        self.cls_branches = nn.ModuleList(nn.Sequential(
            *(ConvModule(c if i == 0 else cls_channels, cls_channels, 1, **cfg)
              for i in range(num_cls_convs)),
            nn.Conv2d(cls_channels, num_classes, 1)) for c in self.in_channels)
        self.init_biases([b[-1] for b in self.cls_branches], [b[-1] for b in self.box_branches])

    def _separable_branches(self, mid_channels: int, depth: int, out_channels: int
                            ) -> nn.ModuleList:
        cfg = dict(norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)
        return nn.ModuleList(nn.Sequential(
            *(DepthwiseSeparableConvModule(c if i == 0 else mid_channels, mid_channels, 3,
                                           padding=1, **cfg) for i in range(depth)),
            ConvModule(mid_channels, mid_channels, 1, **cfg),
            nn.Conv2d(mid_channels, out_channels, 1)) for c in self.in_channels)

    def init_weights(self) -> None:
        super().init_weights()
        self.init_biases([b[-1] for b in self.cls_branches], [b[-1] for b in self.box_branches])

    def forward_level(self, x: Tensor, level: int) -> tuple[Tensor, Tensor, Tensor]:
        return (self.cls_branches[level](x), self.box_branches[level](x),
                self.coeff_branches[level](x))
