"""Capture, inference and drawing side by side; the newest frame wins.

Three threads with one place between each two: the source, the network, and what makes a picture
of its outputs (masks, clean-up, tracking, drawing) while the network has the next frame. A frame
that the network had no time for is replaced by the next one, so that latency stays bounded
whatever the speed of source and network.
"""
from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from medseg.errors import UserError
from medseg.runtime import Instances, Segmenter, SemanticSegmenter
from medseg.runtime.cleanup import FOR_VIEWERS, CleanUp, clean

from . import motion
from .budget import Budget
from .overlay import Overlay, Style
from .slot import Slot
from .sources import Source, SourceError, open_at_its_speed, open_source
from .timing import Statistics, Times
from .tracking import NO_SMOOTHING, Areas, Smoothing, Tracked, Tracker

#: A live source that gives no frame, or always the same one, for that long is called frozen.
FREEZE_S = 3.0
#: Seconds between attempts to take up a live source that was lost: the first and the longest.
RETRY_S = (0.5, 5.0)
#: Longer side of masks on their way to the tracker, pixels: several times finer than networks'
#: own, cheaper than the picture's, and twice the tracker's, which halving is quick for.
RESULT_SIDE = 2 * motion.SIDE


@dataclass
class Settings:
    """What may change while the stream runs.

    Attributes:
        threshold: Objects need a higher score to appear, 0 to 1.
        style: How they are drawn.
        clean_up: What is done to their masks.
        smoothing: How much earlier frames count; see :class:`.tracking.Smoothing`.
        budget_ms: Longest capture-to-picture time wanted, or None.
    """

    threshold: float = 0.25
    style: Style = field(default_factory=Style)
    clean_up: CleanUp = FOR_VIEWERS
    smoothing: Smoothing = field(default_factory=Smoothing)
    budget_ms: float | None = None


@dataclass
class Picture:
    """A frame that has gone all the way.

    Attributes:
        number: Of the source's frames, from 0; missing ones were dropped.
        frame: BGR, (H, W, 3) uint8, as the source gave it.
        found: Objects in it.
        image: The frame with the overlay.
        times: When it was where.
        scale: Sides of the network's input, as a part of the full ones.
    """

    number: int
    frame: np.ndarray
    found: Tracked
    image: np.ndarray
    times: Times
    scale: float


@dataclass
class _Work:
    """A frame on its way."""

    number: int
    frame: np.ndarray
    times: Times
    finish: Callable[[], Instances] | None = None
    scale: float = 1.0


class Engine:
    """Runs a model on a source.

    Args:
        segmenter (Segmenter | SemanticSegmenter): The model. Its lock is :attr:`lock`.
        source (str): See :func:`.sources.open_source`.
        settings (Settings): May be changed while it runs.
        every_frame (bool): No frame is dropped and a file is not held to its speed: for files
            whose results count, not their time.
        loop (bool): Begin files again at their end.
        report (Callable): Is told what happens: (level, text), level ``info`` or ``warning``.
        opener (Callable, optional): Opens the source instead of :mod:`.sources`.
        lock (Lock, optional): Held while the segmenter computes, to share it with others.

    Attributes:
        state (str): ``starting``, ``live``, ``frozen``, ``lost``, ``ended``, ``failed`` or
            ``stopped``.
        statistics (Statistics): Of its pictures.
    """

    def __init__(self, segmenter: Segmenter | SemanticSegmenter, source: str,
                 settings: Settings | None = None,
                 every_frame: bool = False, loop: bool = False,
                 report: Callable[[str, str], None] | None = None,
                 opener: Callable[[], Source] | None = None,
                 lock: threading.Lock | None = None) -> None:
        self.segmenter, self.source_name = segmenter, str(source)
        self.settings = settings or Settings()
        self.every_frame = every_frame
        self.state, self.rate, self.size = 'starting', 25.0, (0, 0)
        self.statistics = Statistics()
        self.lock = lock or threading.Lock()
        self.latest: Picture | None = None
        self.captured = 0
        self.events: deque[tuple[float, str, str]] = deque(maxlen=200)
        self._report_to = report
        self._open = opener or (lambda: open_source(self.source_name) if every_frame
                                else open_at_its_speed(self.source_name, loop))
        self._sinks: list[Callable[[Picture], None]] = []
        self._frames, self._found = Slot(), Slot()
        self._stop = threading.Event()
        self._news = threading.Condition()
        self._heard = time.monotonic()
        self.budget = Budget(self.settings.budget_ms, segmenter.resizable)
        self.overlay = Overlay(segmenter.class_names, segmenter.colors)
        self._threads = [threading.Thread(target=self._guard, args=(step,), name=name, daemon=True)
                         for name, step in (('capture', self._capture), ('infer', self._infer),
                                            ('draw', self._draw), ('watch', self._watch))]

    def start(self) -> Engine:
        """Begin; returns itself."""
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        """End: the threads are gone and the source is closed when this returns."""
        self._stop.set()
        for slot in (self._frames, self._found):
            slot.close(discard=True)
        for thread in self._threads:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join()
        if self.state not in ('ended', 'failed'):
            self.state = 'stopped'
        self._tell()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the source has ended and its last picture is out; False after ``timeout``."""
        end = None if timeout is None else time.monotonic() + timeout
        for thread in self._threads[:3]:
            thread.join(None if end is None else max(end - time.monotonic(), 0))
        return not any(thread.is_alive() for thread in self._threads[:3])

    def add_sink(self, sink: Callable[[Picture], None]) -> None:
        """Give every picture to a function, in the drawing thread: it must be quick."""
        self._sinks.append(sink)

    def remove_sink(self, sink: Callable[[Picture], None]) -> None:
        """Take a function of :meth:`add_sink` away."""
        self._sinks.remove(sink)

    def next_picture(self, after: int = -1, timeout: float | None = None) -> Picture | None:
        """The newest picture once it is another than number ``after``; None after ``timeout``."""
        with self._news:
            self._news.wait_for(
                lambda: self._stop.is_set() or (self.latest and self.latest.number != after),
                timeout)
        return self.latest if self.latest and self.latest.number != after else None

    def summary(self) -> dict:
        """State, speed, latency, drops and input size, for people and logs."""
        out = dict(state=self.state, source=self.source_name, size=list(self.size),
                   captured=self.captured, dropped=self._frames.dropped,
                   skipped=self.budget.skipped, scale=self.budget.scale,
                   budget_ms=self.budget.budget_ms, budget_kept=self.budget.kept)
        out.update(self.statistics.summary())
        return out

    def redraw(self, picture: Picture) -> np.ndarray:
        """A picture again, with the present style and threshold; BGR, (H, W, 3) uint8."""
        found = picture.found.above(self.settings.threshold)
        overlay = Overlay(self.overlay.names, self.overlay.colors)
        return overlay(picture.frame, found, self.settings.style)

    def report(self, level: str, text: str) -> None:
        """Take note of something that happened."""
        self.events.append((time.time(), level, text))
        if self._report_to is not None:
            self._report_to(level, text)

    def _guard(self, step: Callable[[], None]) -> None:
        """Run a thread's work; whatever goes wrong is said, and ends the others too."""
        try:
            step()
        except UserError as error:
            self._fail(str(error))
        except Exception as error:
            self._fail(f'{type(error).__name__}: {error}')
            raise

    def _fail(self, text: str) -> None:
        self.state = 'failed'
        self.report('warning', text)
        self._stop.set()
        for slot in (self._frames, self._found):
            slot.close(discard=True)
        self._tell()

    def _tell(self) -> None:
        with self._news:
            self._news.notify_all()

    # Capture -----------------------------------------------------------------------------------

    def _capture(self) -> None:
        """Read the source to its end; a live one is opened again when it is lost."""
        source, pause, before = None, RETRY_S[0], None
        try:
            while not self._stop.is_set():
                try:
                    if source is None:
                        source = self._open()
                        self.rate = source.rate
                    frame = source.read()
                except SourceError as error:
                    live = source.live if source is not None else self.captured > 0
                    if source is not None:
                        source.close()
                        source = None
                    if not live:
                        raise
                    if self.state != 'lost':
                        self.report('warning', f'{error}; trying again')
                    self.state = 'lost'
                    self._tell()
                    self._stop.wait(pause)
                    pause = min(2 * pause, RETRY_S[1])
                    continue
                if frame is None:
                    self.state = 'ended'
                    self.report('info', f'{self.source_name}: ended after {self.captured} frames')
                    return
                pause = RETRY_S[0]
                before = self._accept(frame, before, source.live)
        finally:
            if source is not None:
                source.close()
            self._frames.close()

    def _accept(self, frame: np.ndarray, before: np.ndarray | None, live: bool) -> np.ndarray:
        """Pass a frame on; returns a few of its pixels, by which a frozen picture is known."""
        now = time.perf_counter()
        pixels = frame[::37, ::41].copy()
        same = before is not None and before.shape == pixels.shape and (before == pixels).all()
        if not (live and same):
            self._heard = time.monotonic()
        if self.state in ('lost', 'frozen') and not same:
            self.report('info', f'{self.source_name}: is back')
        if self.state in ('starting', 'lost') or (self.state == 'frozen' and not same):
            self.state = 'live'
        size = frame.shape[1::-1]
        if self.size != size:
            if self.size != (0, 0):
                self.report('warning', f'{self.source_name}: the size changed from '
                            f'{self.size[0]}x{self.size[1]} to {size[0]}x{size[1]}')
            self.size = size
        work = _Work(self.captured, frame, Times(captured=now))
        self.captured += 1
        if self.every_frame:
            self._frames.put_in_turn(work)
        else:
            self._frames.put_newest(work)
        return pixels

    def _watch(self) -> None:
        """Say when a live source stands still."""
        while not self._stop.wait(0.25) and self._threads[0].is_alive():
            if self.state == 'live' and time.monotonic() - self._heard > FREEZE_S:
                self.state = 'frozen'
                self.report('warning', f'{self.source_name}: no new picture for '
                            f'{FREEZE_S:.0f} seconds')
                self._tell()

    # Inference ---------------------------------------------------------------------------------

    def _infer(self) -> None:
        try:
            while (work := self._frames.take()) is not None and not self._stop.is_set():
                work.times.taken = time.perf_counter()
                waited = 1e3 * (work.times.taken - work.times.captured)
                if not self.every_frame and self.budget.too_old(waited):
                    continue
                with self.lock:
                    self._prepare()
                    work.scale = self.segmenter.input_scale
                    work.finish = self.segmenter.begin(work.frame)
                work.times.found = time.perf_counter()
                if not self._found.put_in_turn(work):
                    return
        finally:
            self._found.close()

    def _prepare(self) -> None:
        """Set the segmenter, which others may have used in between, to what is wanted here."""
        settings, segmenter = self.settings, self.segmenter
        if settings.budget_ms != self.budget.budget_ms:
            self.budget = Budget(settings.budget_ms, segmenter.resizable)
        if segmenter.instances:
            segmenter.score_thr = settings.threshold * settings.smoothing.doubt
            segmenter.postprocess.beyond_box = settings.clean_up.beyond_box
            segmenter.postprocess.twice = settings.clean_up.twice
        segmenter.result_side = RESULT_SIDE
        if segmenter.input_scale != self.budget.scale:
            segmenter.input_scale = self.budget.scale

    # Drawing -----------------------------------------------------------------------------------

    def _draw(self) -> None:
        tracker = (Tracker if self.segmenter.instances else Areas)(
            len(self.segmenter.class_names), self.settings.smoothing)
        while (work := self._found.take()) is not None and not self._stop.is_set():
            settings, times = self.settings, work.times
            tracker.smoothing = settings.smoothing
            # Areas of several classes may lie upon each other.
            tidy = settings.clean_up if self.segmenter.instances else \
                replace(settings.clean_up, twice=1.0)
            found = tracker.step(work.frame, clean(work.finish(), tidy), settings.threshold)
            image = self.overlay(work.frame, found, settings.style)
            times.drawn = time.perf_counter()
            self.statistics.add(times)
            kept = self.budget.kept
            work_ms = 1e3 * (times.drawn - times.taken)
            if self.budget.observe(times.latency_ms, work_ms):
                self.report('info', f'input size {100 * self.budget.scale:.0f} % to keep within '
                            f'{self.budget.budget_ms:.0f} ms')
            elif kept and not self.budget.kept:
                self.report('warning', f'{self.budget.budget_ms:.0f} ms cannot be kept: a picture '
                            f'takes {work_ms:.0f} ms with the smallest input; use a faster model')
            picture = Picture(work.number, work.frame, found, image, times, work.scale)
            for sink in list(self._sinks):
                sink(picture)
            with self._news:
                self.latest = picture
                self._news.notify_all()


def smoothing_of(name: str) -> Smoothing:
    """Smoothing by name: ``on`` or ``off``."""
    return {'on': Smoothing(), 'off': NO_SMOOTHING}[name]
