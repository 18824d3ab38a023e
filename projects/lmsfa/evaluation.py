"""Address of release 0.1; the metric is in :mod:`medseg.metrics` now."""
from medseg.metrics import *  # noqa: F403
