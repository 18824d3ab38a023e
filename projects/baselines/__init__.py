"""What LMSF-A is compared with and MMDetection lacks. Importing registers all of it."""
from .boxed_solov2_head import BoxedSOLOV2Head
from .c2psa import C2PSA, PositionSensitiveAttention, PSABlock
from .c3k2 import C3k, C3k2
from .convnext_v2 import ConvNeXtV2
from .instance_context_encoder import InstanceContextEncoder
from .monai_segmentor import MonaiSegmentor
from .sparse_inst_head import SparseInstHead
from .yolo11_seg_head import YOLO11SegHead
from .yolov8_pafpn import YOLOv8PAFPN
from .yolov8_seg_head import YOLOv8SegHead

__all__ = ['BoxedSOLOV2Head', 'C2PSA', 'C3k', 'C3k2', 'ConvNeXtV2', 'InstanceContextEncoder',
           'MonaiSegmentor', 'PSABlock', 'PositionSensitiveAttention', 'SparseInstHead',
           'YOLO11SegHead', 'YOLOv8PAFPN', 'YOLOv8SegHead']
