"""Importing this registers hooks and optimiser wrappers, and makes the stack work together."""
from .compat import setup
from .hooks import *  # noqa: F403
from .optim_wrappers import *  # noqa: F403

setup()
