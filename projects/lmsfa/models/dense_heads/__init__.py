from .lms_head import LMSHead
from .prototype_head import PrototypeHead
from .scale_shared_head import ScaleSharedHead
from .yolov8_seg_head import YOLOv8SegHead

__all__ = ['LMSHead', 'PrototypeHead', 'ScaleSharedHead', 'YOLOv8SegHead']
