"""SSFF and TFE, and the neck that they make."""
from .ssff import SSFF
from .ssff_tfe_neck import SSFFTFENeck
from .tfe import TFE

__all__ = ['SSFF', 'SSFFTFENeck', 'TFE']
