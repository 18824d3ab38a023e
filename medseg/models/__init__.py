"""What more than one project builds on. Importing registers all of it."""
from .box_mask_loss import BoxMaskLoss
from .c2f import C2f, DarknetUnit
from .inside_first_assigner import InsideFirstAssigner
from .instance_tta import InstanceTTAModel
from .plain_conv_init import PlainConvInit
from .proto import ProtoNet
from .prototype_head import PrototypeHead
from .sppf import SPPF
from .stable_ciou_loss import StableCIoULoss

__all__ = ['BoxMaskLoss', 'C2f', 'DarknetUnit', 'InsideFirstAssigner', 'InstanceTTAModel',
           'PlainConvInit', 'ProtoNet', 'PrototypeHead', 'SPPF', 'StableCIoULoss']
