"""Training-only losses: Eq. 16 and 22, and a teacher's maps."""
from .channel_wise_distillation import ChannelWiseDistillation
from .edge_loss import EdgeLoss
from .gradient_consistency_loss import GradientConsistencyLoss

__all__ = ['ChannelWiseDistillation', 'EdgeLoss', 'GradientConsistencyLoss']
