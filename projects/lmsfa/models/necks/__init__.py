from .instance_context_encoder import InstanceContextEncoder
from .scale_sequence_neck import ScaleSequenceNeck
from .ssff_tfe_neck import SSFFTFENeck
from .yolov8_pafpn import YOLOv8PAFPN

__all__ = ['InstanceContextEncoder', 'SSFFTFENeck', 'ScaleSequenceNeck', 'YOLOv8PAFPN']
