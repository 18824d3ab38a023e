"""The training-only losses of Eq. 16 and 22."""
from .edge_loss import EdgeLoss
from .gradient_consistency_loss import GradientConsistencyLoss

__all__ = ['EdgeLoss', 'GradientConsistencyLoss']
