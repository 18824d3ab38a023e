"""Images and videos as the command lines take and leave them: input files and overlays."""
from __future__ import annotations

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
