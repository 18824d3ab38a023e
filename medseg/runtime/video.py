"""Reading and writing videos.

Videos are written as H.264, which every browser plays, by the ffmpeg program that the package
``imageio-ffmpeg`` brings, or by OpenCV where its build can; else as MPEG-4 Part 2.
"""
from __future__ import annotations

import importlib.util
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from medseg.errors import UserError

VIDEOS = {'.mp4', '.avi', '.mov', '.mkv', '.mpg', '.mpeg', '.wmv', '.m4v', '.webm'}


class VideoError(UserError):
    """A video cannot be read or written; the message names it."""


class VideoReader:
    """A video's frames.

    Args:
        path (Path): The file.

    Attributes:
        total (int): Frames that the file promises; 0 if it does not say.
        count (int): Frames read so far.
        rate (float): Frames a second; 25 where the file says nothing sensible.

    Raises:
        VideoError: OpenCV cannot read it.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.count = path, 0
        self._capture = cv2.VideoCapture(str(path))
        if not self._capture.isOpened():
            raise VideoError(f'{path}: not a readable video')
        self.total = max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if 0 < rate < 1000 else 25.0

    def __iter__(self) -> Iterator[np.ndarray]:
        """BGR frames (H, W, 3) uint8, until the video ends or cannot be decoded further."""
        try:
            while True:
                done, frame = self._capture.read()
                if not done:
                    return
                self.count += 1
                yield frame
        finally:
            self._capture.release()

    def failures(self) -> list[str]:
        """After reading: a line if frames are missing, else nothing."""
        if self.count and self.count >= self.total:
            return []
        return [f'{self.path}: {self.count} of {self.total} frames could be read']


def ffmpeg_program() -> str | None:
    """The ffmpeg program of ``imageio-ffmpeg``; None where that is not installed."""
    if importlib.util.find_spec('imageio_ffmpeg') is None:
        return None
    import imageio_ffmpeg
    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError:  # the package came without a program for this machine
        return None


class _Ffmpeg:
    """Frames into the standard input of ffmpeg.

    The file is made of fragments, so that it can be read whenever the writing ends; ffmpeg is in
    a process group of its own, so that Ctrl-C leaves it its time, and if this process is killed
    it finds the end of its input and completes the file.
    """

    def __init__(self, program: str, path: Path, rate: float, size: tuple[int, int],
                 live: bool) -> None:
        width, height = size
        self.program, self.path = program, path
        # With chroma at half size both sides are even, so odd ones keep their chroma whole.
        pixels = 'yuv420p' if width % 2 == 0 and height % 2 == 0 else 'yuv444p'
        effort = ['-preset', 'ultrafast', '-tune', 'zerolatency', '-threads', '1'] if live else \
            ['-preset', 'veryfast']
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [program, '-loglevel', 'error', '-nostdin', '-y', '-f', 'rawvideo', '-pix_fmt',
             'bgr24', '-s', f'{width}x{height}', '-r', f'{rate:.6f}', '-i', 'pipe:0', '-an',
             '-c:v', 'libx264', *effort, '-crf', '23', '-g', str(max(1, round(rate))),
             '-pix_fmt', pixels, '-movflags', '+frag_keyframe+empty_moov+default_base_moof',
             '-f', 'mp4', f'file:{path}'],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._log,
            start_new_session=True)

    def write(self, frame: np.ndarray) -> None:
        try:
            self._process.stdin.write(np.ascontiguousarray(frame).data)
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError | None) -> None:
        self._process.wait()
        self._log.seek(0)
        said = self._log.read().decode(errors='replace').strip().splitlines()
        reason = said[-1] if said else (error and error.strerror) or \
            f'ffmpeg ended with {self._process.returncode}'
        raise VideoError(f'{self.path}: cannot be written further: {reason}') from error

    def close(self) -> None:
        """Complete the file."""
        try:
            self._process.stdin.close()
        except OSError as error:
            self._fail(error)
        if self._process.wait():
            self._fail(None)

    def rearrange(self) -> None:
        """Copy the fragments into one piece with its index in front, as players like it best."""
        whole = self.path.with_name(f'.{self.path.name}.{os.getpid()}')
        try:
            done = subprocess.run(
                [self.program, '-loglevel', 'error', '-nostdin', '-y', '-i', f'file:{self.path}',
                 '-c', 'copy', '-movflags', '+faststart', '-f', 'mp4', f'file:{whole}'],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True)
            if done.returncode == 0:  # else, as on a full disk, the fragments play as well
                os.replace(whole, self.path)
        finally:
            whole.unlink(missing_ok=True)


class _OpenCv:
    """Frames into OpenCV's own writer."""

    def __init__(self, path: Path, rate: float, size: tuple[int, int]) -> None:
        # Both codecs have even sides alone: the last row and column are shown twice, not lost.
        self._border = size[1] % 2, size[0] % 2
        even = size[0] + self._border[1], size[1] + self._border[0]
        level = cv2.getLogLevel()
        cv2.setLogLevel(0)  # that a build lacks the first codec is no news to anybody
        try:
            for codec in ('avc1', 'mp4v'):
                self._writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), rate,
                                               even)
                if self._writer.isOpened():
                    return
        finally:
            cv2.setLogLevel(level)
        raise VideoError(f'{path}: this build of OpenCV cannot write .mp4 files; '
                         'pip install imageio-ffmpeg')

    def write(self, frame: np.ndarray) -> None:
        if any(self._border):
            frame = cv2.copyMakeBorder(frame, 0, self._border[0], 0, self._border[1],
                                       cv2.BORDER_REPLICATE)
        self._writer.write(frame)

    def close(self) -> None:
        self._writer.release()

    def rearrange(self) -> None:
        """Nothing to do."""


class VideoWriter:
    """An .mp4 file that appears under its name when it is complete; a context manager.

    Until then it is called ``NAME.part.mp4``. Ctrl-C completes it with the frames it has; after a
    kill the part can be played as it is, if ffmpeg wrote it.

    Args:
        path (Path): The file; folders are made.
        rate (float): Frames a second.
        live (bool): Write with little work and at once, for streams; the file becomes larger.

    Attributes:
        count (int): Frames written.

    Raises:
        VideoError: At the first frame: nothing here can write .mp4 files; later: the disk is full.
    """

    def __init__(self, path: Path, rate: float, live: bool = False) -> None:
        self.path, self.rate, self.live, self.count = path, rate, live, 0
        self.part = path.with_name(f'{path.stem}.part.mp4')
        self._writer: _Ffmpeg | _OpenCv | None = None
        self._size: tuple[int, int] | None = None

    def __enter__(self) -> VideoWriter:
        return self

    def write(self, frame: np.ndarray) -> None:
        """Append a BGR frame (H, W, 3) uint8; all must be of one size."""
        size = frame.shape[1::-1]
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            program = ffmpeg_program()
            self._writer = _OpenCv(self.part, self.rate, size) if program is None else \
                _Ffmpeg(program, self.part, self.rate, size, self.live)
            self._size = size
        if size != self._size:
            raise VideoError(f'{self.path}: frame {self.count} is {size[0]}x{size[1]}, those '
                             f'before are {self._size[0]}x{self._size[1]}')
        self._writer.write(frame)
        self.count += 1

    def __exit__(self, kind, error, trace) -> None:
        if kind is None or issubclass(kind, KeyboardInterrupt):
            self.finish()
        elif self._writer is not None:
            self.abandon()

    def finish(self) -> None:
        """Complete the file and give it its name.

        Raises:
            VideoError: What is left could not be written; the part stays.
        """
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.close()
            writer.rearrange()
            os.replace(self.part, self.path)

    def abandon(self) -> None:
        """End the writing; the part stays under its name."""
        writer, self._writer = self._writer, None
        try:
            writer.close()
        except VideoError:
            pass  # the reason for which it is given up is known
