"""Ctrl-C and SIGTERM: finish what is open, say what there is, no traceback."""
from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .records import RecordWriter

#: What a shell reports for a program that Ctrl-C ended.
EXIT_CODE = 130


@contextmanager
def stops_cleanly() -> Iterator[None]:
    """Inside the block SIGTERM raises ``KeyboardInterrupt`` as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return

    def stop(*_) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def report_stop(writer: RecordWriter) -> int:
    """Say what an interrupted run has left; returns the exit code."""
    print(f'\nstopped: {writer.path} has the {writer.count} instances found until then',
          file=sys.stderr)
    return EXIT_CODE
