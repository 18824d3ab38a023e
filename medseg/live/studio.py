"""What the page works with: models, sources, one stream for all viewers, recordings, uploads."""
from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2

from medseg.errors import UserError
from medseg.runtime import open_model
from medseg.runtime.cleanup import FOR_VIEWERS, CleanUp

from .engine import Engine, Picture, Settings, smoothing_of
from .recorder import LineWriter, Recorder
from .results import picture_record
from .slot import Slot
from .sources import cameras
from .uploads import Jobs

#: Seconds without a viewer after which everything that viewers started ends.
GRACE_S = 10.0
JPEG_QUALITY = 80


class Studio:
    """Holds what runs; the server asks it to.

    Args:
        models (Sequence[Path]): Exported files, at least one.
        sources (Sequence[str]): What may be chosen beside the cameras of the machine.
        out (Path): Folder of recordings.
        settings (Settings): To begin with.
        backend (str): See :func:`medseg.runtime.open_model`.
        threads (int, optional): Of the backend.
        loop (bool): Begin files again at their end.
        grace_s (float): See :data:`GRACE_S`.

    Raises:
        ModelError: The first model cannot be used.
    """

    def __init__(self, models: Sequence[Path], sources: Sequence[str], out: Path,
                 settings: Settings | None = None, backend: str = 'auto',
                 threads: int | None = None, loop: bool = True, grace_s: float = GRACE_S) -> None:
        self.models, self.out, self.grace_s = list(models), out, grace_s
        self.sources = list(dict.fromkeys([*sources, *cameras()]))
        self.settings = settings or Settings()
        self._load = lambda path: open_model(path, backend, threads)
        self._loop = loop
        self.model, self.source = 0, 0 if sources else None
        self.segmenter = self._load(self.models[0])
        self.segmenter_lock = threading.Lock()
        self.engine: Engine | None = None
        self.recorder: Recorder | None = None
        self.lines: LineWriter | None = None
        self.recordings: list[Path] = []
        self.events: deque[dict[str, Any]] = deque(maxlen=100)
        self.folder = Path(tempfile.mkdtemp(prefix='medseg-live-'))
        self.jobs = Jobs(self.folder, self.touch)
        self.version = 0
        self._viewers = 0
        self._left = time.monotonic()
        self._lock = threading.RLock()
        self._listeners: list[Callable[[], None]] = []
        self.jpeg: tuple[Picture, bytes] | None = None
        self._to_encode = Slot()
        self._closing = threading.Event()
        self._threads = [threading.Thread(target=step, name=name, daemon=True) for name, step in
                         (('encode', self._encode), ('housekeeping', self._housekeep))]
        for thread in self._threads:
            thread.start()

    # Viewers -----------------------------------------------------------------------------------

    def join(self, listener: Callable[[], None]) -> None:
        """A viewer has come; ``listener`` is called, in any thread, when there is news."""
        with self._lock:
            self._viewers += 1
            self._listeners.append(listener)
            if self.engine is None and self.source is not None:
                self.start()

    def leave(self, listener: Callable[[], None]) -> None:
        """A viewer has gone."""
        with self._lock:
            self._viewers -= 1
            self._listeners.remove(listener)
            self._left = time.monotonic()

    @property
    def viewers(self) -> int:
        """How many look on."""
        return self._viewers

    def touch(self) -> None:
        """Tell the viewers that something changed."""
        self.version += 1
        for listener in list(self._listeners):
            listener()

    def report(self, level: str, text: str) -> None:
        """Take note of what happened, for the viewers and the terminal."""
        self.events.append(dict(time=time.time(), level=level, text=text))
        print(f'{time.strftime("%H:%M:%S")} {text}', flush=True)
        self.touch()

    # The stream --------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin with the chosen source and model."""
        with self._lock:
            self._end_stream()
            if self.source is None:
                return
            self.engine = Engine(
                self.segmenter, self.sources[self.source], self.settings, loop=self._loop,
                report=self.report, lock=self.segmenter_lock)
            self.engine.add_sink(self._take)
            self.engine.start()
            self.touch()

    def _end_stream(self) -> None:
        engine, self.engine = self.engine, None
        if engine is not None:
            engine.stop()

    def choose_source(self, index: int | None) -> None:
        """Another of :attr:`sources`; None for none.

        Raises:
            UserError: There is no such source.
        """
        if index is not None and not 0 <= index < len(self.sources):
            raise UserError(f'there is no source {index}')
        with self._lock:
            self.stop_recording()
            self.source = index
            self.jpeg = None
            self.start()
        self.touch()

    def choose_model(self, index: int) -> None:
        """Another of :attr:`models`; the stream goes on with it.

        Raises:
            UserError: There is no such model, or it cannot be used; the old one stays.
        """
        if not 0 <= index < len(self.models):
            raise UserError(f'there is no model {index}')
        segmenter = self._load(self.models[index])
        with self._lock:
            self.segmenter, self.model, self.segmenter_lock = segmenter, index, threading.Lock()
            self.settings.style.hidden = set()
            if self.engine is not None:
                self.start()
        self.touch()

    def change(self, changes: dict[str, Any]) -> None:
        """Settings as the page sends them; what is drawn follows at once.

        Args:
            changes (dict): Any of ``threshold``, ``opacity``, ``contour``, ``labels``, ``hidden``
                (indices of classes), ``smoothing`` (bool), ``tidy`` (bool), ``budget_ms`` (0 for
                none).

        Raises:
            UserError: A value is out of its range; nothing is changed then.
        """
        settings, style = self.settings, self.settings.style
        limits = dict(threshold=(0, 1), opacity=(0, 1), contour=(0, 10), budget_ms=(0, 10000))
        for name, (least, most) in limits.items():
            if name in changes and not least <= changes[name] <= most:
                raise UserError(f'{name} {changes[name]}: must be between {least} and {most}')
        hidden = set(changes.get('hidden', style.hidden))
        if not hidden <= set(range(len(self.segmenter.class_names))):
            raise UserError(f'hidden {sorted(hidden)}: names a class that the model has not')
        settings.threshold = changes.get('threshold', settings.threshold)
        settings.style = replace(
            style, hidden=hidden, opacity=changes.get('opacity', style.opacity),
            contour=changes.get('contour', style.contour),
            labels=changes.get('labels', style.labels))
        if 'budget_ms' in changes:
            settings.budget_ms = changes['budget_ms'] or None
        if 'smoothing' in changes:
            settings.smoothing = smoothing_of('on' if changes['smoothing'] else 'off')
        if 'tidy' in changes:
            settings.clean_up = FOR_VIEWERS if changes['tidy'] else CleanUp()
        engine = self.engine
        if engine is not None and engine.state in ('ended', 'stopped', 'failed') and engine.latest:
            again = replace(engine.latest, image=engine.redraw(engine.latest))
            self.jpeg = (again, self.encode(again.image))
        self.touch()

    def _take(self, picture: Picture) -> None:
        """A picture of the engine, in its thread."""
        recorder, lines = self.recorder, self.lines
        if recorder is not None:
            recorder.add(picture.image, picture.times.captured)
            lines.write(picture_record(picture))
        if self._listeners:
            self._to_encode.put_newest(picture)

    @staticmethod
    def encode(image) -> bytes:
        """A picture as JPEG."""
        return cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()

    def _encode(self) -> None:
        """Every picture is encoded once, however many look on."""
        while (picture := self._to_encode.take()) is not None:
            self.jpeg = (picture, self.encode(picture.image))
            for listener in list(self._listeners):
                listener()

    # Recordings --------------------------------------------------------------------------------

    def start_recording(self) -> None:
        """Record what is shown into ``live-DATE.mp4`` and ``.jsonl`` of the folder.

        Raises:
            UserError: There is no stream, or no room.
        """
        with self._lock:
            if self.engine is None:
                raise UserError('there is no stream to record')
            if self.recorder is not None and self.recorder.active:
                return
            path = self.out / time.strftime('live-%Y%m%d-%H%M%S.mp4')
            recorder = Recorder(path, self.engine.rate, lambda text: self.report('info', text))
            self.lines = LineWriter(recorder.path.with_suffix('.jsonl'),
                                    lambda text: self.report('warning', text))
            self.recorder = recorder
        self.touch()

    def stop_recording(self) -> None:
        """Complete the recording, if there is one."""
        with self._lock:
            recorder, lines, self.recorder = self.recorder, self.lines, None
        if recorder is not None:
            recorder.close()
            lines.close()
            self.recordings += [p for p in (recorder.path, lines.path) if p.is_file()]
            self.touch()

    # Housekeeping ------------------------------------------------------------------------------

    def _housekeep(self) -> None:
        """When nobody has looked on for a while, nothing goes on running."""
        while not self._closing.wait(0.2):
            with self._lock:
                alone = not self._viewers and time.monotonic() - self._left > self.grace_s
                if alone and (self.engine or self.recorder):
                    self.stop_recording()
                    self._end_stream()
                    print(f'{time.strftime("%H:%M:%S")} nobody is watching: the stream rests',
                          flush=True)
            if alone:
                self.jobs.stop()

    def describe(self) -> dict[str, Any]:
        """All that the page shows beside the picture, JSON-ready."""
        settings, engine = self.settings, self.engine
        stream = engine.summary() if engine else dict(state='stopped')
        return dict(
            version=self.version, models=[path.name for path in self.models], model=self.model,
            sources=self.sources, source=self.source, viewers=self._viewers,
            instances=self.segmenter.instances,
            classes=[dict(name=name, color=list(color)) for name, color in
                     zip(self.segmenter.class_names, self.segmenter.colors, strict=True)],
            settings=dict(
                threshold=settings.threshold, opacity=settings.style.opacity,
                contour=settings.style.contour, labels=settings.style.labels,
                hidden=sorted(settings.style.hidden), budget_ms=settings.budget_ms or 0,
                smoothing=settings.smoothing.mask < 1, tidy=settings.clean_up != CleanUp()),
            recording=self._recording(), recordings=[path.name for path in self.recordings],
            jobs=[job.describe() for job in self.jobs.jobs.values()],
            events=list(self.events)[-8:], stream=stream)

    def _recording(self) -> dict[str, Any] | None:
        recorder = self.recorder
        if recorder is None or not recorder.active:
            return None
        return dict(name=recorder.path.name, frames=recorder.frames, late=recorder.late,
                    seconds=round(time.time() - recorder.started))

    def close(self) -> None:
        """End everything; what was recorded is complete, what was sent is removed."""
        self._closing.set()
        self._to_encode.close(discard=True)
        self.stop_recording()
        self.jobs.stop()
        with self._lock:
            self._end_stream()
        for thread in self._threads:
            thread.join()
        shutil.rmtree(self.folder)
