"""Images and videos as the command lines take and leave them: input files, overlays, videos."""
from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from medseg.errors import UserError

IMAGES = {'.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp'}
VIDEOS = {'.mp4', '.avi', '.mov', '.mkv', '.mpg', '.mpeg', '.wmv', '.m4v', '.webm'}


class InputError(UserError):
    """Something given on the command line cannot be used."""


def find_images(source: Path, out: Path) -> tuple[list[Path], Path]:
    """The input files that a command line names.

    Args:
        source (Path): A file, or a folder whose images are wanted, those of subfolders included.
        out (Path): Folder of the results. It may lie inside ``source``: earlier results are no
            input. Hidden files are none either.

    Returns:
        tuple[list[Path], Path]: The files, sorted, and the folder they are below.

    Raises:
        InputError: There is no such file, or no image, or ``out`` is a file.
    """
    if not source.exists():
        raise InputError(f'{source}: no such image, folder or video')
    if source.is_file() and out.resolve() == source.resolve():
        raise InputError(f'--out {out}: is the input; name a folder')
    if out.exists() and not out.is_dir():
        raise InputError(f'--out {out}: is a file; name a folder')
    if source.is_file():
        return [source], source.parent
    files = sorted(
        path for path in source.rglob('*') if path.suffix.lower() in IMAGES and path.is_file()
        and not any(part.startswith('.') for part in path.relative_to(source).parts)
        and out.resolve() not in path.resolve().parents)
    if not files:
        raise InputError(f'{source}: no images in this folder')
    return files, source


def is_video(source: Path) -> bool:
    """Whether a path is a file that ends as videos do."""
    return source.is_file() and source.suffix.lower() in VIDEOS


def overlay_paths(files: Sequence[Path], root: Path, out: Path) -> dict[Path, Path]:
    """Where each overlay goes: the folder's tree again, as PNG.

    Files that differ in their ending alone (a.png, a.tif) keep it, so that none shares an overlay.
    """
    stems = Counter(str(file.with_suffix('')).casefold() for file in files)
    targets = {}
    for file in files:
        relative = file.relative_to(root)
        alone = stems[str(file.with_suffix('')).casefold()] == 1
        targets[file] = out / relative.with_name(
            f'{relative.stem if alone else relative.name}.png')
    return targets


class VideoReader:
    """A video's frames.

    Args:
        path (Path): The file.

    Attributes:
        total (int): Frames that the file promises; 0 if it does not say.
        count (int): Frames read so far.
        rate (float): Frames a second; 25 where the file says nothing sensible.

    Raises:
        InputError: OpenCV cannot read it.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.count = path, 0
        self._capture = cv2.VideoCapture(str(path))
        if not self._capture.isOpened():
            raise InputError(f'{path}: not a readable video')
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


class VideoWriter:
    """An .mp4 file that appears under its name when it is complete; a context manager.

    Args:
        path (Path): The file; folders are made.
        rate (float): Frames a second.

    Raises:
        InputError: At the first frame: OpenCV cannot write .mp4 files here.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self.path, self.rate, self._writer = path, rate, None
        # OpenCV chooses the container by the ending.
        self._part = path.with_name(f'.{os.getpid()}.part.mp4')

    def __enter__(self) -> VideoWriter:
        return self

    def write(self, frame: np.ndarray) -> None:
        """Append a BGR frame (H, W, 3) uint8; all must be of one size."""
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = cv2.VideoWriter(str(self._part), cv2.VideoWriter_fourcc(*'mp4v'),
                                           self.rate, frame.shape[1::-1])
            if not self._writer.isOpened():
                raise InputError(f'{self.path}: this build of OpenCV cannot write .mp4 files')
        self._writer.write(frame)

    def __exit__(self, kind, error, trace) -> None:
        if self._writer is not None:
            self._writer.release()
            if kind is None:
                os.replace(self._part, self.path)
        self._part.unlink(missing_ok=True)
