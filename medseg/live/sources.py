"""Where frames come from: files, folders, cameras, streams, and kinds that others register.

A source is opened by what a user writes::

    clip.mp4   frames/   0   /dev/video0   rtsp://host/stream   http://host/stream
    "videotestsrc ! videoconvert ! appsink"   KIND:TEXT of SOURCES
"""
from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from medseg.errors import UserError
from medseg.runtime.files import IMAGES
from medseg.runtime.images import ImageError, read_image
from medseg.runtime.video import VIDEOS

#: Longest that a stream may take to open or to give a frame, milliseconds.
TIMEOUT_MS = 5000
_URL = re.compile(r'^(rtsps?|rtmps?|https?|udp|tcp)://', re.I)


class SourceError(UserError):
    """A source cannot be opened, or stopped giving frames; the message names it."""


class Source:
    """Frames, one after another.

    Attributes:
        name (str): As the user wrote it.
        live (bool): Goes on without us: frames that are not taken are lost, and a source that is
            lost may come back. Files and folders end.
        rate (float): Frames a second that it promises; 25 where it does not say.
    """

    name = ''
    live = False
    rate = 25.0

    def read(self) -> np.ndarray | None:
        """The next BGR frame (H, W, 3) uint8, or None at the end.

        Raises:
            SourceError: A live source has been lost.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Give the device or file back."""


class CaptureSource(Source):
    """Whatever ``cv2.VideoCapture`` opens.

    Args:
        name (str): As the user wrote it.
        target (str | int): What OpenCV is given.
        live (bool): See :class:`Source`.
        api (int): OpenCV's backend.
        parameters (list[int]): Of ``VideoCapture.open``.

    Raises:
        SourceError: It cannot be opened.
    """

    def __init__(self, name: str, target: str | int, live: bool, api: int = cv2.CAP_ANY,
                 parameters: list[int] | None = None, remedy: str = '') -> None:
        self.name, self.live = name, live
        level = cv2.getLogLevel()
        cv2.setLogLevel(0)  # what OpenCV writes about a missing camera is said better below
        try:
            self._capture = cv2.VideoCapture(target, api, parameters or [])
        finally:
            cv2.setLogLevel(level)
        if not self._capture.isOpened():
            raise SourceError(f'{name}: cannot be opened{remedy}')
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if 0 < rate < 1000 else 25.0
        if live:
            self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self.total = 0 if live else max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self._count = 0

    def read(self) -> np.ndarray | None:
        done, frame = self._capture.read()
        if done:
            self._count += 1
            return frame
        if self.live:
            raise SourceError(f'{self.name}: the connection was lost')
        if self._count < self.total:
            raise SourceError(f'{self.name}: {self._count} of {self.total} frames could be read')
        return None

    def close(self) -> None:
        self._capture.release()


def _read(path: Path) -> np.ndarray:
    """A still image; see :func:`medseg.runtime.images.read_image`."""
    try:
        return read_image(path)
    except ImageError as error:
        raise SourceError(str(error)) from error


class FolderSource(Source):
    """The images of a folder, sorted by name, those of subfolders included.

    Raises:
        SourceError: There are none; or, while reading, one cannot be decoded.
    """

    def __init__(self, name: str, folder: Path, rate: float = 25.0) -> None:
        self.name, self.rate = name, rate
        self._files = iter(sorted(p for p in folder.rglob('*') if p.suffix.lower() in IMAGES))
        self._next = next(self._files, None)
        if self._next is None:
            raise SourceError(f'{name}: no images in this folder')

    def read(self) -> np.ndarray | None:
        if self._next is None:
            return None
        path, self._next = self._next, next(self._files, None)
        return _read(path)


class StillSource(Source):
    """One image, again and again."""

    live = True

    def __init__(self, name: str, path: Path, rate: float = 10.0) -> None:
        self.name, self.rate = name, rate
        self._image, self._pace = _read(path), Pace(rate)

    def read(self) -> np.ndarray:
        self._pace.wait()
        return self._image


class Pace:
    """Keeps the time of a source that would give its frames as fast as they are taken.

    Args:
        rate (float): Frames a second.
    """

    def __init__(self, rate: float) -> None:
        self.period, self._due = 1 / rate, None

    def wait(self) -> None:
        """Sleep until the next frame is due; after a long pause the clock starts anew."""
        now = time.perf_counter()
        if self._due is None or now - self._due > 1:
            self._due = now
        if self._due > now:
            time.sleep(self._due - now)
        self._due += self.period


class PacedSource(Source):
    """A file or folder at its own speed, as a camera would give it.

    Args:
        source (Source): What gives the frames.
        again (Callable, optional): Opens it anew at its end; without, it ends.
    """

    def __init__(self, source: Source, again: Callable[[], Source] | None = None) -> None:
        self._source, self._again = source, again
        self.name, self.rate = source.name, source.rate
        self._pace = Pace(source.rate)

    def read(self) -> np.ndarray | None:
        frame = self._source.read()
        if frame is None and self._again is not None:
            self._source.close()
            self._source = self._again()
            frame = self._source.read()
        if frame is not None:
            self._pace.wait()
        return frame

    def close(self) -> None:
        self._source.close()


#: Kinds that others add: what stands before the colon, and a function from what stands behind it
#: to an open source. The library knows none itself.
SOURCES: dict[str, Callable[[str], Source]] = {}


def open_source(text: str) -> Source:
    """Open what a user wrote, without pacing.

    Args:
        text (str): See the module.

    Raises:
        SourceError: It is missing, cannot be read, or is of a kind that is not known.
    """
    text = str(text).strip()
    kind, colon, rest = text.partition(':')
    if colon and kind in SOURCES:
        return SOURCES[kind](rest)
    if _URL.match(text):
        return CaptureSource(text, text, True, cv2.CAP_FFMPEG, [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, TIMEOUT_MS,
            cv2.CAP_PROP_READ_TIMEOUT_MSEC, TIMEOUT_MS],
            f'; is it running, and does it answer within {TIMEOUT_MS // 1000} seconds?')
    if '!' in text and 'sink' in text:
        if not _has_gstreamer():
            raise SourceError(f'{text}: is a GStreamer pipeline, which this build of OpenCV '
                              'cannot run; give a file, a camera or an rtsp:// address')
        return CaptureSource(text, text, True, cv2.CAP_GSTREAMER)
    camera = re.fullmatch(r'(?:/dev/video)?(\d+)', text)
    if camera and not (text.isdigit() and Path(text).exists()):
        found = cameras()
        return CaptureSource(text, int(camera[1]), True, cv2.CAP_ANY, None,
                             f'; cameras here: {", ".join(found) or "none"}')
    path = Path(text)
    if path.is_dir():
        return FolderSource(text, path)
    if path.is_file():
        if path.suffix.lower() in IMAGES:
            return StillSource(text, path)
        return CaptureSource(text, text, False, cv2.CAP_FFMPEG, None,
                             '; it is no video that OpenCV can read')
    known = ', '.join(f'{name}:...' for name in SOURCES)
    if colon and re.fullmatch(r'[a-z][a-z0-9_]+', kind):
        raise SourceError(f'{text}: no such kind of source{f" ({known})" if known else ""}; '
                          'does a module of --import register it?')
    raise SourceError(f'{text}: no such file, folder, camera or stream')


def open_at_its_speed(text: str, loop: bool = False) -> Source:
    """Open a source so that a file keeps the time of a camera.

    Args:
        text (str): See :func:`open_source`.
        loop (bool): Begin a file or folder again at its end.

    Raises:
        SourceError: See :func:`open_source`.
    """
    source = open_source(text)
    if source.live:
        return source
    return PacedSource(source, (lambda: open_source(text)) if loop else None)


def cameras() -> list[str]:
    """Cameras of this machine, such as ``/dev/video0``."""
    return sorted(str(path) for path in Path('/dev').glob('video*'))


def is_video_name(name: str) -> bool:
    """Whether a file's name ends as videos do."""
    return Path(name).suffix.lower() in VIDEOS


def _has_gstreamer() -> bool:
    backends = cv2.videoio_registry.getBackends()
    return cv2.CAP_GSTREAMER in backends and bool(
        re.search(r'GStreamer:\s+YES', cv2.getBuildInformation()))
