"""A progress bar that stays out of logs and pipes."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import track

Item = TypeVar('Item')


def progress(items: Sequence[Item], description: str, quiet: bool = False) -> Iterable[Item]:
    """Iterates over ``items`` with a bar on stderr, where that is a terminal.

    Args:
        items: What to go through.
        description: Text before the bar.
        quiet: No bar.
    """
    return track(items, description=description, console=Console(stderr=True), transient=True,
                 disable=quiet or not sys.stderr.isatty())
