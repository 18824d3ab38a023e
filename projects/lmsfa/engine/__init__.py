"""Importing this package registers the hooks and makes the installed stack work together."""
from .hooks import *  # noqa: F403
