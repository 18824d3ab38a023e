from .scale_sequence_neck import ScaleSequenceNeck
from .ssff_tfe_neck import SSFFTFENeck
from .yolov8_pafpn import YOLOv8PAFPN

__all__ = ['SSFFTFENeck', 'ScaleSequenceNeck', 'YOLOv8PAFPN']
