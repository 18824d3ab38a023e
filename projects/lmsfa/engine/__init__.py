"""Importing this package registers the hooks and makes the installed stack work together."""
from .compat import setup
from .hooks import *  # noqa: F403

setup()
