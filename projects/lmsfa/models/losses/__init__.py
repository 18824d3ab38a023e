from .box_mask_loss import BoxMaskLoss
from .stable_ciou_loss import StableCIoULoss

__all__ = ['BoxMaskLoss', 'StableCIoULoss']
