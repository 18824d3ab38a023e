"""LMSH, and the other heads of Table VIII and of the edge model."""
from .edge_head import EdgeHead
from .efficient_head import EfficientHead
from .ladh_head import LADHHead
from .lms_head import LMSHead
from .lqe_head import LQEHead

__all__ = ['EdgeHead', 'EfficientHead', 'LADHHead', 'LMSHead', 'LQEHead']
