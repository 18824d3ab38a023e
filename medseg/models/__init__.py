"""Prototype-mask models: what more than one project builds on. Importing registers them all."""
from .box_mask_loss import BoxMaskLoss
from .c2f import C2f, DarknetUnit
from .proto import ProtoNet
from .prototype_head import PrototypeHead
from .sppf import SPPF
from .stable_ciou_loss import StableCIoULoss

__all__ = ['BoxMaskLoss', 'C2f', 'DarknetUnit', 'ProtoNet', 'PrototypeHead', 'SPPF',
           'StableCIoULoss']
