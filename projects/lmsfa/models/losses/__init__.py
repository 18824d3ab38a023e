from .box_mask_loss import BoxMaskLoss
from .edge_loss import EdgeLoss
from .gradient_consistency_loss import GradientConsistencyLoss
from .stable_ciou_loss import StableCIoULoss

__all__ = ['BoxMaskLoss', 'EdgeLoss', 'GradientConsistencyLoss', 'StableCIoULoss']
