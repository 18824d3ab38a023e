"""Where configs, projects and tools lie: in the checkout, or in the wheel beside the library."""
from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped_root() -> Path:
    """The folder that holds ``configs/``, ``projects/`` and ``tools/``."""
    checkout = _PACKAGE.parent
    return checkout if (checkout / 'configs').is_dir() else _PACKAGE / '.mim'


def make_projects_importable() -> None:
    """Let configs name ``projects.lmsfa`` and others where only the wheel is installed."""
    try:
        found = importlib.util.find_spec('projects.lmsfa')
    except ModuleNotFoundError:  # no package of the name `projects`
        found = None
    if found is None:
        sys.path.insert(0, str(shipped_root()))
