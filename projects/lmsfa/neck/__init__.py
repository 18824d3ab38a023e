"""SSFF and TFE, and the neck that they make; the edge model's."""
from .edge_neck import EdgeNeck
from .ssff import SSFF
from .ssff_tfe_neck import SSFFTFENeck
from .tfe import TFE

__all__ = ['EdgeNeck', 'SSFF', 'SSFFTFENeck', 'TFE']
