"""LMSH, and the other heads of Table VIII."""
from .efficient_head import EfficientHead
from .ladh_head import LADHHead
from .lms_head import LMSHead
from .lqe_head import LQEHead

__all__ = ['EfficientHead', 'LADHHead', 'LMSHead', 'LQEHead']
