"""LMSF-A, a lightweight instance-segmentation network for spinal endoscopy.

Importing this package imports nothing else, so that its numpy-only parts run where PyTorch is not
installed. Configs name the parts they need in ``custom_imports``.
"""

__version__ = '0.1.0'

__all__ = ['__version__']
