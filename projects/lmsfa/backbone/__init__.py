"""LMFE, the backbone."""
from .lmfe import LMFE

__all__ = ['LMFE']
