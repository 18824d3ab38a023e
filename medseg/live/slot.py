"""One place between two threads."""
from __future__ import annotations

import threading
import time
from typing import Any


class Slot:
    """Holds one item: a newer one takes the place of an older one, or waits for it to be taken.

    Attributes:
        dropped (int): Items that a newer one replaced before they were taken.
    """

    def __init__(self) -> None:
        self._ready = threading.Condition()
        self._item: Any = None
        self._full = self._closed = False
        self.dropped = 0

    def put_newest(self, item: Any) -> None:
        """Put an item in, over one that nobody has taken."""
        with self._ready:
            self.dropped += self._full
            self._item, self._full = item, True
            self._ready.notify_all()

    def put_in_turn(self, item: Any) -> bool:
        """Wait until the place is free, then put an item in; False if it was closed meanwhile."""
        with self._ready:
            self._ready.wait_for(lambda: not self._full or self._closed)
            if self._closed:
                return False
            self._item, self._full = item, True
            self._ready.notify_all()
            return True

    def take(self, timeout: float | None = None) -> Any:
        """The item, once there is one.

        Returns:
            The item; None when the slot is closed and empty, or after ``timeout`` seconds.
        """
        with self._ready:
            end = None if timeout is None else time.monotonic() + timeout
            while not self._full and not self._closed:
                rest = None if end is None else end - time.monotonic()
                if rest is not None and rest <= 0:
                    return None
                self._ready.wait(rest)
            item, self._item, self._full = self._item, None, False
            self._ready.notify_all()
            return item

    def close(self, discard: bool = False) -> None:
        """Nobody waits here any more; what is in it can still be taken unless discarded."""
        with self._ready:
            self._closed = True
            if discard:
                self._item, self._full = None, False
            self._ready.notify_all()

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._closed
