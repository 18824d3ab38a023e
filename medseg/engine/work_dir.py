"""The folder of a training: one training at a time, no leftovers, no orphans."""
from __future__ import annotations

import contextlib
import ctypes
import fcntl
import functools
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from medseg.errors import UserError

#: Names of :func:`medseg.io.replacing` for files that are being written.
_UNFINISHED = re.compile(r'\..+\.[0-9a-f]{8}\.(part|py)')
_PR_SET_PDEATHSIG = 1


@contextlib.contextmanager
def only_one(folder: Path, what: str = 'training', patience: float = 5) -> Iterator[int]:
    """Hold a folder: two runs in it would write the same files.

    Args:
        folder (Path): Made if needed.
        what (str): Kind of run, for the message.
        patience (float): Seconds to wait for processes that are just ending.

    Yields:
        int: A file descriptor. Programs that inherit it hold the folder too; forked processes,
        such as those of data loaders, do not.

    Raises:
        UserError: Another run holds the folder, or it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f'{folder}: is not a folder; give another --work-dir') from error
    with open(folder / '.lock', 'a', encoding='utf-8') as file:
        _lock(file.fileno(), folder, what, patience)
        os.register_at_fork(after_in_child=lambda: _close(file))
        yield file.fileno()


def _close(file) -> None:
    """Let go of a lock in a forked process: loaders may outlive a training that was killed."""
    if not file.closed:
        file.close()


def _lock(descriptor: int, folder: Path, what: str, patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise UserError(f'{folder}: another {what}, or one that it started, is at work '
                                'there; wait for it, end it, or give another folder') from error
            time.sleep(0.2)
        except OSError:  # a file system without locks
            print(f'note: {folder} cannot be locked; do not start a second {what} there',
                  file=sys.stderr)
            return


def remove_unfinished(folder: Path) -> None:
    """Remove what a killed run was just writing; call it while the folder is held."""
    for path in folder.glob('.*'):
        if _UNFINISHED.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


@functools.cache
def end_children_with_parent() -> None:
    """From now on, let forked processes end as soon as this one does, even if it is killed.

    Data loaders would go on for seconds, hold memory, and keep pipes open. On Linux alone.
    """
    if not sys.platform.startswith('linux'):
        return
    library, from_main = ctypes.CDLL(None, use_errno=True), [True]

    def remember_thread() -> None:
        from_main[0] = threading.current_thread() is threading.main_thread()

    def follow_parent() -> None:
        if from_main[0]:  # the signal comes when the thread that forked ends
            library.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    os.register_at_fork(before=remember_thread, after_in_child=follow_parent)
