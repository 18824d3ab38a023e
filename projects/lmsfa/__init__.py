"""LMSF-A, a lightweight instance-segmentation network for spinal endoscopy.

Importing this package imports nothing else; configs name the parts they need in
``custom_imports``: ``projects.lmsfa.models`` registers the network,
``projects.lmsfa.datasets.peld`` the data sets.
"""
from medseg import __version__

__all__ = ['__version__']
