from .convnext_v2 import ConvNeXtV2
from .lmfe import LMFE

__all__ = ['LMFE', 'ConvNeXtV2']
