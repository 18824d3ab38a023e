"""Sources and waiting for tests of the live view."""
import os
import subprocess
import sys
import threading
import time

import numpy as np
from tool_runs import ROOT

from medseg.live.sources import Source, SourceError


def texture(height=120, width=160, seed=0):
    """A picture in which motion can be seen; BGR uint8."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    return coarse.repeat(8, 0).repeat(8, 1)[:height, :width].copy()


class ListSource(Source):
    """Gives what a list holds; an exception in it is raised, an event is waited for.

    Args:
        items (list): Frames, exceptions and events, in order.
        live (bool): See :class:`Source`.
    """

    def __init__(self, items, live=False, rate=25.0):
        self.items, self.live, self.rate, self.name = list(items), live, rate, 'list'
        self.closed = False

    def read(self):
        while self.items:
            item = self.items.pop(0)
            if isinstance(item, threading.Event):
                item.wait(2)
            elif isinstance(item, Exception):
                raise item
            else:
                return item
        if self.live:
            raise SourceError('list: the connection was lost')
        return None

    def close(self):
        self.closed = True


def until(condition, seconds=30.0):
    """Wait until something is so; its value."""
    give_up = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < give_up, 'waited in vain'
        time.sleep(0.01)
    return value


def launch(*words, **options):
    """The command line in a process of its own."""
    env = dict(os.environ, PYTHONPATH=f'{ROOT}{os.pathsep}{ROOT / "tests"}', OMP_NUM_THREADS='1')
    return subprocess.Popen(
        [sys.executable, '-u', '-m', 'medseg.live', *map(str, words)], env=env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, **options)
