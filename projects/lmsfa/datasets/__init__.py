"""Importing this package registers the data sets and transforms."""
from .peld import NucleiDataset, PELDDataset
from .transforms import *  # noqa: F403

__all__ = ['NucleiDataset', 'PELDDataset']
