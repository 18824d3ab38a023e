from .boxed_solov2_head import BoxedSOLOV2Head
from .efficient_head import EfficientHead
from .ladh_head import LADHHead
from .lms_head import LMSHead
from .lqe_head import LQEHead
from .prototype_head import PrototypeHead
from .scale_shared_head import ScaleSharedHead
from .sparse_inst_head import SparseInstHead
from .yolo11_seg_head import YOLO11SegHead
from .yolov8_seg_head import YOLOv8SegHead

__all__ = ['BoxedSOLOV2Head', 'EfficientHead', 'LADHHead', 'LMSHead', 'LQEHead', 'PrototypeHead',
           'ScaleSharedHead', 'SparseInstHead', 'YOLO11SegHead', 'YOLOv8SegHead']
