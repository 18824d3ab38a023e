"""Keeping a latency budget: a smaller input where the network is too slow, stale frames skipped."""
from __future__ import annotations

from collections import deque

import numpy as np

#: Sides of the network's input, as parts of the full ones.
SCALES = (1.0, 0.85, 0.7, 0.6, 0.5, 0.4)
#: Pictures before a smaller, and before a larger input is tried.
_DOWN, _UP = 6, 60
#: A larger input is tried when its work would fit into this part of the budget.
_ROOM = 0.8
_LONGEST_PAUSE = 32 * _UP


class Budget:
    """Chooses the size of the network's input from the latencies of the pictures.

    Args:
        budget_ms (float, optional): Longest capture-to-picture time wanted; None for none.
        resizable (bool): Whether the model takes inputs of several sizes.

    Attributes:
        scale (float): Sides of the input, as a part of the full ones.
        kept (bool): False while even the smallest input takes longer than the budget.
        skipped (int): Frames that were passed over because they had waited too long.
    """

    def __init__(self, budget_ms: float | None, resizable: bool) -> None:
        self.budget_ms, self.skipped, self.kept = budget_ms, 0, True
        self._scales = SCALES if resizable else SCALES[:1]
        self._level, self._pause, self._tried = 0, _UP, False
        self._latencies: deque[float] = deque(maxlen=_UP)
        self._work: deque[float] = deque(maxlen=_UP)
        self._since = 0

    @property
    def scale(self) -> float:
        return self._scales[self._level]

    def too_old(self, waited_ms: float) -> bool:
        """Whether a frame that has waited that long would miss the budget, a fresh one not."""
        if self.budget_ms is None or len(self._work) < _DOWN:
            return False
        work = float(np.median(self._work))
        stale = waited_ms + work > self.budget_ms and work <= self.budget_ms
        self.skipped += stale
        return stale

    def observe(self, latency_ms: float, work_ms: float) -> bool:
        """Take note of a picture.

        Args:
            latency_ms (float): From capture to picture.
            work_ms (float): The same without waiting for inference to begin.

        Returns:
            bool: Whether the size changes with the next frame.
        """
        if self.budget_ms is None:
            return False
        self._latencies.append(latency_ms)
        self._work.append(work_ms)
        self._since += 1
        if self._since < _DOWN:
            return False
        recent = list(self._latencies)[-_DOWN:]
        over = float(np.median(recent)) > self.budget_ms or (
            self._since >= 20 and np.percentile(self._latencies, 90) > self.budget_ms)
        if over and self._level + 1 < len(self._scales):
            if self._tried:  # a larger size was too slow: it is not tried again soon
                self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            return self._move(1)
        self.kept = not over
        if not over and self._level and self._since >= self._pause:
            growth = (self._scales[self._level - 1] / self.scale) ** 2
            if np.percentile(self._work, 95) * growth < _ROOM * self.budget_ms:
                return self._move(-1)
        return False

    def _move(self, step: int) -> bool:
        self._level += step
        self._tried = step < 0
        self._since = 0
        self._latencies.clear()
        self._work.clear()
        return True
