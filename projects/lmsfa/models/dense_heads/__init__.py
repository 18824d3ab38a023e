from .lms_head import LMSHead
from .prototype_head import PrototypeHead
from .yolov8_seg_head import YOLOv8SegHead

__all__ = ['LMSHead', 'PrototypeHead', 'YOLOv8SegHead']
