"""Address of release 0.1; the transforms are in :mod:`medseg.data.transforms` now."""
from medseg.data.transforms import *  # noqa: F403
