from .box_mask_loss import BoxMaskLoss

__all__ = ['BoxMaskLoss']
