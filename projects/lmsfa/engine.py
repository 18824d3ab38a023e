"""Address of release 0.1; the hooks and work-arounds are in :mod:`medseg.engine` now."""
from medseg.engine import *  # noqa: F403
