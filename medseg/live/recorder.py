"""What is kept of a stream: a video of the pictures, and the objects of each as JSON Lines."""
from __future__ import annotations

import json
import queue
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from medseg.runtime.video import VideoError, VideoWriter

#: Pictures that may wait for the encoder.
_QUEUE = 8
#: A recording ends while this much of the disk is free, so that what it holds can be completed.
MIN_FREE = 200 << 20


def check_space(path: Path, least: int = MIN_FREE) -> None:
    """Whether the disk of a file still has room.

    Raises:
        VideoError: It has less than ``least`` bytes.
    """
    free = shutil.disk_usage(path.parent).free
    if free < least:
        raise VideoError(f'{path}: only {free >> 20} MB of its disk are free')


def free_name(path: Path) -> Path:
    """The path itself, or with a number where a file of that name, or a part of it, is there."""
    number, tried = 1, path
    while tried.exists() or tried.with_name(f'{tried.stem}.part{tried.suffix}').exists():
        number += 1
        tried = path.with_stem(f'{path.stem}-{number}')
    return tried


class Recorder:
    """Writes pictures to an .mp4 file in a thread of its own, at the speed at which they came.

    A picture that is missing, because the stream stood still or the encoder was late, is made up
    for by the one before it, so that the recording lasts as long as what it shows. When the
    pictures' size changes, another file with a number follows. When the disk is full the recording
    ends, what was written stays, and the stream goes on.

    Args:
        path (Path): The file; see :func:`free_name`. Folders are made.
        rate (float): Frames a second.
        report (Callable[[str], None]): Is told how the recording ends, and what went wrong.
        paced (bool): False for files of which every frame is wanted: each picture is written once
            and :meth:`add` waits for the encoder.
        least_free (int): See :data:`MIN_FREE`.

    Attributes:
        late (int): Pictures for which the encoder had no time.
        frames (int): Frames written.
        active (bool): Whether more can be written.
    """

    def __init__(self, path: Path, rate: float, report: Callable[[str], None],
                 paced: bool = True, least_free: int = MIN_FREE) -> None:
        self.path, self.rate, self.paced = free_name(path), rate, paced
        self._wanted = path
        self.late = self.frames = 0
        self.active = True
        self.started = time.time()
        self._report, self._least_free = report, least_free
        self._queue: queue.Queue = queue.Queue(_QUEUE)
        self._start: float | None = None
        path.parent.mkdir(parents=True, exist_ok=True)
        check_space(path, least_free)
        self._thread = threading.Thread(target=self._run, name='recorder', daemon=True)
        self._thread.start()

    def add(self, picture: np.ndarray, moment: float) -> None:
        """Take a picture.

        Args:
            picture (np.ndarray): BGR, (H, W, 3) uint8; must not be changed afterwards.
            moment (float): When it was captured, seconds of ``time.perf_counter``.
        """
        if not self.active:
            return
        if not self.paced:
            self._queue.put((picture, moment))
            return
        try:
            self._queue.put_nowait((picture, moment))
        except queue.Full:
            self.late += 1

    def close(self) -> None:
        """Complete the file; returns when it is done."""
        self.active = False
        if self._thread.is_alive():
            self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        writer, path, last = None, self.path, None
        try:
            while (item := self._queue.get()) is not None:
                picture, moment = item
                if writer is not None and last.shape != picture.shape:
                    writer.finish()
                    path = free_name(self._wanted)
                    writer = None
                if writer is None:
                    writer = VideoWriter(path, self.rate, live=self.paced)
                    self._start = moment
                if writer.count % 25 == 0:
                    check_space(writer.part, self._least_free)
                if self.paced:
                    due = round((moment - self._start) * self.rate)
                    while last is not None and writer.count < due:
                        self._write(writer, last)
                    if writer.count > due:
                        last = picture
                        continue
                self._write(writer, picture)
                last = picture
            if writer is not None:
                writer.finish()
            self._report(f'{self.path}: {self.frames} frames recorded')
        except VideoError as error:
            kept = self._give_up(writer)
            self._report(f'recording ended: {error}; {kept}')
        finally:
            self.active = False
            self._drain()

    def _write(self, writer: VideoWriter, picture: np.ndarray) -> None:
        writer.write(picture)
        self.frames += 1

    @staticmethod
    def _give_up(writer: VideoWriter | None) -> str:
        """Complete what there is; says under which name it lies."""
        if writer is None:
            return 'nothing was recorded'
        try:
            writer.finish()
            return f'{writer.count} frames are in {writer.path}'
        except VideoError:
            return f'what was written before is in {writer.part}'

    def _drain(self) -> None:
        """Nobody waits at the queue of a recording that is over."""
        while True:
            try:
                self._queue.get_nowait()
            except queue.Empty:
                return


class LineWriter:
    """JSON Lines, one a picture, as they come.

    Args:
        path (Path): The file; see :func:`free_name`.
        report (Callable[[str], None]): Is told if it cannot be written further.
    """

    def __init__(self, path: Path, report: Callable[[str], None]) -> None:
        self.path, self._report = path, report
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open('wb', buffering=0)

    @property
    def active(self) -> bool:
        """Whether more can be written."""
        return not self._file.closed

    def write(self, record: Mapping[str, Any]) -> None:
        """Append a line; it is with the system when the call returns."""
        if self._file.closed:
            return
        rest = memoryview(json.dumps(record).encode() + b'\n')
        try:
            while rest:
                rest = rest[self._file.write(rest):]
        except OSError as error:
            self._file.close()
            self._report(f'{self.path}: cannot be written further ({error.strerror}); '
                         'what was written before is there')

    def close(self) -> None:
        """Nothing more comes."""
        self._file.close()
