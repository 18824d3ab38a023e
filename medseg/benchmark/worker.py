"""Measuring in a process of its own, so that a crash or a hang costs one measurement."""
from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.utils import import_modules_from_strings

from medseg.engine import compat

from .complexity import complexity
from .latency import NotSupported, time_model
from .memory import inference_memory, training_memory

MEASURES = dict(complexity=complexity, latency=time_model, training_memory=training_memory,
                inference_memory=inference_memory)
HALF = ('fp16', 'bf16')
_LAST_LINES = 8


def answer(request: dict[str, Any], time_limit: float | None = None) -> dict[str, Any]:
    """Measure one thing; errors become text.

    Args:
        request (dict): ``measure``, one of :data:`MEASURES`; ``config``, a path; and what the
            measure takes beside the config.
        time_limit (float, optional): Seconds; the process ends when they are over, whatever it is
            at.

    Returns:
        dict: ``ok`` with the result, ``unsupported`` or ``error`` with a text.
    """
    request = dict(request)
    signal.setitimer(signal.ITIMER_REAL, time_limit or 0)  # SIGALRM, unhandled, ends a process
    try:
        measure = MEASURES[request.pop('measure')]
        return {'ok': measure(Config.fromfile(request.pop('config')), **request)}
    except NotSupported as error:
        return {'unsupported': str(error)}
    except Exception as error:  # a model that fails is a row with its error
        if isinstance(error, NotImplementedError) and request.get('precision') in HALF:
            return {'unsupported': str(error)}  # PyTorch's "not implemented for 'Half'"
        traceback.print_exc()
        return {'error': f'{type(error).__name__}: {error}'}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _start(log: str, modules: Sequence[str]) -> None:
    """Prepare a fresh process; whatever the models print goes to the log."""
    file = os.open(log, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(file, stream)
    compat.setup()
    import_modules_from_strings(list(modules))


class Worker:
    """A process that answers requests, started when it is first needed, and again after a crash.

    Args:
        timeout (float): Seconds that one request may take.
        modules (Sequence[str]): Imported in the process first, such as those that register
            :mod:`.references`.
    """

    def __init__(self, timeout: float, modules: Sequence[str] = ()) -> None:
        self.timeout, self.modules = timeout, tuple(modules)
        self._pool: ProcessPoolExecutor | None = None

    def ask(self, **request: Any) -> dict[str, Any]:
        """:func:`answer`; where the process died or took too long, an error says so."""
        if self._pool is None:
            handle, self._log = tempfile.mkstemp(prefix='medseg-worker-', suffix='.log')
            os.close(handle)
            self._pool = ProcessPoolExecutor(1, multiprocessing.get_context('spawn'), _start,
                                             (self._log, self.modules))
        start = time.monotonic()
        try:
            return self._pool.submit(answer, request, self.timeout).result()
        except BrokenProcessPool:
            seconds, words = time.monotonic() - start, self._last_words()
            self.close()
        if seconds >= self.timeout:
            return {'error': f'gave no answer in {self.timeout:g} s'}
        return {'error': f'the process ended: {words}'}

    def _last_words(self) -> str:
        lines = Path(self._log).read_text(encoding='utf-8', errors='replace').splitlines()
        return '\n'.join(lines[-_LAST_LINES:]).strip() or 'it said nothing'

    def close(self) -> None:
        """End the process when it has answered."""
        if self._pool is not None:
            self._pool.shutdown()
            Path(self._log).unlink(missing_ok=True)
            self._pool = None
