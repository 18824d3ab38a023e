"""Files that a browser sends: checked, segmented, looked at frame by frame, taken home."""
from __future__ import annotations

import copy
import json
import re
import secrets
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from medseg.errors import UserError
from medseg.runtime import Segmenter
from medseg.runtime.images import ImageError, decode_image
from medseg.runtime.records import read_lines
from medseg.runtime.video import VideoError, VideoWriter

from .engine import Engine, Picture, Settings
from .recorder import LineWriter
from .results import picture_record
from .sources import FolderSource, open_source

_RIFF = {b'WEBP': 'image', b'AVI ': 'video'}
_STARTS = {b'\xff\xd8\xff': 'image', b'\x89PNG\r\n\x1a\n': 'image', b'BM': 'image',
           b'II*\x00': 'image', b'MM\x00*': 'image', b'\x1aE\xdf\xa3': 'video',
           b'\x00\x00\x01\xba': 'video', b'\x00\x00\x01\xb3': 'video', b'0&\xb2u': 'video'}


class UploadError(UserError):
    """A file that was sent cannot be used."""


def kind_of(head: bytes) -> str | None:
    """``image`` or ``video`` from a file's first 16 bytes; None for anything else.

    The name says nothing: FFmpeg would follow a play list to other files and addresses.
    """
    if head[:4] == b'RIFF':
        return _RIFF.get(head[8:12])
    if head[4:8] == b'ftyp':
        return 'video'
    return next((kind for start, kind in _STARTS.items() if head.startswith(start)), None)


def shown_name(name: str) -> str:
    """A file's name as it is shown and offered for download; never a path."""
    base = re.split(r'[/\\]', name)[-1]
    return re.sub(r'[^\w .()-]', '_', base).strip('. ')[:80] or 'upload'


@dataclass
class Job:
    """A file that was sent, and what came of it.

    Attributes:
        id: Random; part of its addresses.
        name: See :func:`shown_name`.
        kind: ``image`` or ``video``.
        folder: Holds the file and the results.
        state: ``running``, ``done``, ``failed`` or ``stopped``.
        frames: Frames done so far.
        total: Frames that the file promises; 0 if it does not say.
        message: What went wrong.
    """

    id: str
    name: str
    kind: str
    folder: Path
    state: str = 'running'
    frames: int = 0
    total: int = 0
    message: str = ''
    engine: Engine | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def video(self) -> Path:
        """The overlays of a video."""
        return self.folder / 'overlay.mp4'

    @property
    def picture(self) -> Path:
        """The overlay of an image."""
        return self.folder / 'overlay.png'

    @property
    def lines(self) -> Path:
        """Objects of each frame."""
        return self.folder / 'objects.jsonl'

    def describe(self) -> dict:
        """For the page."""
        return dict(id=self.id, name=self.name, kind=self.kind, state=self.state,
                    frames=self.frames, total=self.total, message=self.message)


class Jobs:
    """Works on what was sent, one file after another.

    Args:
        folder (Path): For the files; nothing else is in it.
        changed (Callable): Called when a job's state changes.
    """

    def __init__(self, folder: Path, changed: Callable[[], None]) -> None:
        self.folder, self._changed = folder, changed
        self.jobs: dict[str, Job] = {}
        self._turn = threading.Lock()
        self._threads: list[threading.Thread] = []

    def new_folder(self) -> tuple[str, Path]:
        """A random name and a folder of that name."""
        number = secrets.token_hex(8)
        folder = self.folder / number
        folder.mkdir(parents=True)
        return number, folder

    def begin(self, number: str, name: str, kind: str, segmenter: Segmenter,
              lock: threading.Lock, settings: Settings) -> Job:
        """Work on the file ``upload`` in the folder of that number.

        Raises:
            UploadError: It cannot be decoded.
        """
        folder = self.folder / number
        job = Job(number, shown_name(name), kind, folder)
        settings = copy.deepcopy(settings)
        settings.budget_ms = None
        source = str(folder / 'upload')
        if kind == 'image':
            try:
                image = decode_image(Path(source).read_bytes(), job.name)
            except ImageError as error:
                raise UploadError(str(error)) from error
            shutil.move(source, folder / 'upload.png')
            cv2.imwrite(str(folder / 'upload.png'), image)
            job.total = 1
            opener = lambda: FolderSource(job.name, folder)  # noqa: E731
        else:
            video = open_source(source)
            job.total = video.total
            first = video.read()
            video.close()
            if first is None:
                raise UploadError(f'{job.name}: is a video without frames')
            opener = lambda: open_source(source)  # noqa: E731
        job.engine = Engine(segmenter, job.name, settings, every_frame=True, opener=opener,
                            lock=lock)
        self.jobs[number] = job
        thread = threading.Thread(target=self._run, args=(job,), name=f'job {number}', daemon=True)
        self._threads.append(thread)
        thread.start()
        return job

    def _run(self, job: Job) -> None:
        with self._turn:
            if job.state != 'running':
                return
            problems: list[str] = []
            lines = LineWriter(job.lines, problems.append)
            writer = VideoWriter(job.video, 25.0)
            engine = job.engine

            def keep(picture: Picture) -> None:
                lines.write(picture_record(picture))
                if job.kind == 'image':
                    job.picture.write_bytes(cv2.imencode('.png', picture.image)[1].tobytes())
                else:
                    writer.rate = engine.rate
                    writer.write(picture.image)
                job.frames += 1

            engine.add_sink(keep)
            engine.start()
            engine.wait()
            lines.close()
            if engine.state == 'failed':
                problems.append(engine.events[-1][2])
            try:
                writer.finish()
            except VideoError as error:
                problems.append(str(error))
            if job.state == 'running':
                # Names of folders are nobody's business.
                job.message = problems[0].replace(str(job.folder / 'upload'), job.name) \
                    if problems else ''
                job.state = 'failed' if problems else 'done'
            self._changed()

    def frame(self, job: Job, number: int) -> bytes | None:
        """Overlay of a frame as JPEG; None where there is none."""
        if job.kind == 'image':
            image = cv2.imread(str(job.picture)) if number == 0 else None
        else:
            with job.lock:
                capture = cv2.VideoCapture(str(job.video))
                capture.set(cv2.CAP_PROP_POS_FRAMES, number)
                image = capture.read()[1] if 0 <= number < job.frames else None
                capture.release()
        return None if image is None else cv2.imencode('.jpg', image)[1].tobytes()

    def predictions(self, job: Job) -> str:
        """Objects of all frames as one JSON list."""
        return json.dumps(list(read_lines(job.lines)))

    def stop(self) -> None:
        """End what is going on; results so far stay."""
        for job in self.jobs.values():
            if job.state == 'running':
                job.state, job.message = 'stopped', 'stopped: nobody was watching'
                job.engine.stop()
        for thread in self._threads:
            thread.join()
        self._threads.clear()
