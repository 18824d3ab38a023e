"""The decoupled head of YOLOv8-seg: the head of the baseline rows."""
from collections.abc import Sequence

from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from torch import Tensor, nn

from medseg.models.prototype_head import PrototypeHead


@MODELS.register_module()
class YOLOv8SegHead(PrototypeHead):
    """Three branches a level, none shared: 3x3, 3x3, 1x1 each.

    The box branch has max(16, C3 / 4, 4 * reg_max) channels, the class branch
    max(C3, min(num_classes, 100)), the coefficient branch max(C3 / 4, num_protos), with C3 the
    channels of the finest map. Arguments: see :class:`PrototypeHead`.
    """

    def __init__(self, num_classes: int, in_channels: Sequence[int], **kwargs) -> None:
        super().__init__(num_classes, in_channels, **kwargs)
        c3 = self.in_channels[0]
        box_channels = max(16, c3 // 4, 4 * self.reg_max)
        self.box_branches = self._branches(box_channels, 4 * self.reg_max)
        self.cls_branches = self._class_branches(max(c3, min(num_classes, 100)))
        self.coeff_branches = self._branches(max(c3 // 4, self.num_protos), self.num_protos)
        self.init_biases([b[-1] for b in self.cls_branches], [b[-1] for b in self.box_branches])

    def _branches(self, mid_channels: int, out_channels: int) -> nn.ModuleList:
        cfg = dict(kernel_size=3, padding=1, norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)
        return nn.ModuleList(nn.Sequential(
            ConvModule(c, mid_channels, **cfg), ConvModule(mid_channels, mid_channels, **cfg),
            nn.Conv2d(mid_channels, out_channels, 1)) for c in self.in_channels)

    def _class_branches(self, mid_channels: int) -> nn.ModuleList:
        return self._branches(mid_channels, self.num_classes)

    def init_weights(self) -> None:
        super().init_weights()
        self.init_biases([b[-1] for b in self.cls_branches], [b[-1] for b in self.box_branches])

    def forward_level(self, x: Tensor, level: int) -> tuple[Tensor, Tensor, Tensor]:
        return (self.cls_branches[level](x), self.box_branches[level](x),
                self.coeff_branches[level](x))
