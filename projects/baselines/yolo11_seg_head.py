"""The decoupled head of YOLO11-seg: YOLOv8-seg's with a lighter class branch."""
from mmcv.cnn import DepthwiseSeparableConvModule
from mmdet.registry import MODELS
from torch import nn

from .yolov8_seg_head import YOLOv8SegHead


@MODELS.register_module()
class YOLO11SegHead(YOLOv8SegHead):
    """As :class:`YOLOv8SegHead`, the two 3x3 of the class branch being depthwise separable.

    Arguments: see :class:`PrototypeHead`.
    """

    def _class_branches(self, mid_channels: int) -> nn.ModuleList:
        cfg = dict(kernel_size=3, padding=1, norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)
        return nn.ModuleList(nn.Sequential(
            DepthwiseSeparableConvModule(c, mid_channels, **cfg),
            DepthwiseSeparableConvModule(mid_channels, mid_channels, **cfg),
            nn.Conv2d(mid_channels, self.num_classes, 1)) for c in self.in_channels)
