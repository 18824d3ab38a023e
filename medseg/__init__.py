"""Lightweight medical segmentation on MMDetection 3 and MMEngine.

Importing this package imports nothing else, so that its runtime works where PyTorch is not
installed. Configs name the parts they need in ``custom_imports``.
"""

__version__ = '0.2.0.dev0'

__all__ = ['__version__']
