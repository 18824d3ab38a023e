"""Images and videos as the command lines take and leave them: input files and overlays."""
from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from medseg.errors import UserError
from medseg.runtime.video import VIDEOS

IMAGES = {'.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp'}


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
    if not os.path.exists(source):
        raise InputError(f'{source}: no such image, folder or video')
    if source.is_file() and os.path.realpath(out) == os.path.realpath(source):
        raise InputError(f'--out {out}: is the input; name a folder')
    if out.exists() and not out.is_dir():
        raise InputError(f'--out {out}: is a file; name a folder')
    if source.is_file():
        return [source], source.parent
    files = sorted(
        path for path in source.rglob('*') if path.suffix.lower() in IMAGES and path.is_file()
        and not any(part.startswith('.') for part in path.relative_to(source).parts)
        and Path(os.path.realpath(out)) not in Path(os.path.realpath(path)).parents)
    if not files:
        raise InputError(f'{source}: no images in this folder')
    return files, source


def is_video(source: Path) -> bool:
    """Whether a path is a file that ends as videos do."""
    return source.is_file() and source.suffix.lower() in VIDEOS


def overlay_paths(files: Sequence[Path], root: Path, out: Path) -> dict[Path, Path]:
    """Where each overlay goes: the folder's tree again, as PNG; no two share one.

    Files that differ in their ending alone (a.png, a.tif) keep it, and get a number where even that
    is taken (by a.tif.png). Upper and lower case count as the same, as on some file systems.
    """
    relative = {file: file.relative_to(root) for file in files}
    targets = {file: name.with_name(f'{name.stem}.png') for file, name in relative.items()}
    mark = ''
    while True:
        counts = Counter(str(target).casefold() for target in targets.values())
        clashing = [file for file in files if counts[str(targets[file]).casefold()] > 1]
        if not clashing:
            return {file: out / target for file, target in targets.items()}
        for number, file in enumerate(clashing):
            label = f'{mark}{number}' if mark else ''
            targets[file] = relative[file].with_name(f'{relative[file].name}{label}.png')
        mark += '~'


def record_name(file: Path, root: Path) -> str:
    """What records call a file: its path below ``root``, with forward slashes.

    Raises:
        InputError: The name is no text, so that no JSON file can hold it.
    """
    name = file.relative_to(root).as_posix()
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InputError(f'{file}: the name is no text in UTF-8; rename the file') from error
    return name


def overlay_trouble(file: Path, error: OSError) -> str:
    """A line about an overlay whose name the file system does not take.

    Raises:
        OSError: It is another trouble, which all other overlays would meet as well.
    """
    if error.errno != errno.ENAMETOOLONG:
        raise error
    return f'{file}: its overlay cannot be written ({error.strerror})'
