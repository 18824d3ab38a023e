"""Times of frames on their way, and what they come to."""
from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

import numpy as np

PERCENTILES = (50, 95, 99)
#: Frames that the figures on the page look back on.
WINDOW = 300


@dataclass
class Times:
    """When a frame was where, seconds of ``time.perf_counter``; 0 where it has not been.

    Attributes:
        captured: The source had handed it over.
        taken: Inference began.
        found: The network was done with it.
        drawn: The picture was ready to be shown.
    """

    captured: float = 0.0
    taken: float = 0.0
    found: float = 0.0
    drawn: float = 0.0

    @property
    def latency_ms(self) -> float:
        """From capture to picture, milliseconds."""
        return 1e3 * (self.drawn - self.captured)

    def parts_ms(self) -> dict[str, float]:
        """Milliseconds of waiting, the network, and making the picture with waiting for that."""
        return {'wait': 1e3 * (self.taken - self.captured),
                'network': 1e3 * (self.found - self.taken),
                'draw': 1e3 * (self.drawn - self.found)}


class Statistics:
    """Latencies of the last pictures.

    Args:
        window (int): Pictures that are looked back on.
    """

    def __init__(self, window: int = WINDOW) -> None:
        self._lock = threading.Lock()
        self._times: deque[Times] = deque(maxlen=window)
        self.pictures = 0

    def add(self, times: Times) -> None:
        """Count a picture."""
        with self._lock:
            self._times.append(times)
            self.pictures += 1

    def summary(self) -> dict[str, float | int]:
        """``fps``, ``p50``, ``p95``, ``p99`` (ms), median parts (ms) and ``pictures`` so far.

        Frames a second are those of the last two seconds: after a pause they are no average with
        what was before it.
        """
        with self._lock:
            times, pictures = list(self._times), self.pictures
        out: dict[str, float | int] = dict(pictures=pictures, fps=0.0)
        if not times:
            return out
        latencies = [t.latency_ms for t in times]
        for percentile in PERCENTILES:
            out[f'p{percentile}'] = round(float(np.percentile(latencies, percentile)), 1)
        parts = [t.parts_ms() for t in times]
        for part in parts[0]:
            out[part] = round(float(np.median([p[part] for p in parts])), 1)
        now = time.perf_counter()
        recent = [t.drawn for t in times if now - t.drawn < 2]
        if len(recent) > 1 and recent[-1] > recent[0]:
            out['fps'] = round((len(recent) - 1) / (max(now - 0.5, recent[-1]) - recent[0]), 1)
        return out
