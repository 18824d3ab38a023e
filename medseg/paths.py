"""Where configs, projects and tools lie: in the checkout, or in the wheel beside the library."""
from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped_root() -> Path:
    """The folder that holds ``configs/``, ``projects/`` and ``tools/``."""
    checkout = _PACKAGE.parent
    return checkout if (checkout / 'configs').is_dir() else _PACKAGE / '.mim'
