"""Where other tools put COCO files and their images: Roboflow, CVAT, Label Studio, COCO itself."""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from medseg.errors import UserError
from medseg.io import read_json

from .convert.files import is_file
from .convert.records import SUBSET_NAMES, UNSPLIT, ConversionError

#: How deep below the given folder annotation files are looked for.
DEPTH = 3
#: Images that are looked for to find the folder they are in.
_SAMPLES = 20
_WORDS = re.compile(rf'(?<![a-z])({"|".join(sorted(SUBSET_NAMES, key=len, reverse=True))}'
                    r')(?![a-z])')


@dataclass
class CocoPart:
    """One annotation file with its images.

    Attributes:
        path (Path): The file.
        images (Path): The folder that ``file_name`` starts from.
        content (dict): What the file holds, unchecked; every ``file_name`` is relative, with
            forward slashes.
    """

    path: Path
    images: Path
    content: dict[str, Any]


def subset_of(path: Path, root: Path) -> str:
    """Subset that a file's name, or the nearest folder's below ``root``, tells; else ``all``."""
    for part in reversed(path.relative_to(root).with_suffix('').parts):
        found = _WORDS.findall(part.casefold())
        if found:
            return SUBSET_NAMES[found[-1]]
    return UNSPLIT


def find_coco_files(root: Path) -> dict[str, Path]:
    """COCO files below a folder, by subset; the file without a split only where there is no split.

    Raises:
        ConversionError: There is none, or two for one subset.
    """
    if not root.is_dir():
        raise ConversionError(f'{root}: no such file or folder')
    found: dict[str, Path] = {}
    seen, labelme = 0, 0
    for path in _json_files(root):
        seen += 1
        try:
            content = read_json(path)
        except UserError:
            continue
        labelme += isinstance(content, dict) and 'shapes' in content
        if not _is_coco(content):
            continue
        subset = subset_of(path, root)
        other = found.setdefault(subset, path)
        if other != path:
            raise ConversionError(f'{other} and {path}: both look like annotations of the '
                                  f'{subset} images; move one away, or give one file')
    if not found:
        hint = (f'it holds LabelMe files; convert them: python tools/data/labelme.py {root} OUT'
                if labelme else 'give a folder with COCO files, a COCO file or a data.yaml')
        raise ConversionError(f'{root}: none of {seen} .json files is a COCO instance file; {hint}')
    if len(found) > 1:
        found.pop(UNSPLIT, None)
    return found


def _is_coco(content: Any) -> bool:
    return isinstance(content, dict) and all(
        isinstance(content.get(key), list) for key in ('images', 'annotations', 'categories'))


def _json_files(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob('*.json')):
        parts = path.relative_to(root).parts
        if len(parts) <= DEPTH and not any(part.startswith('.') for part in parts):
            yield path


def load_part(path: Path, root: Path) -> CocoPart:
    """An annotation file with the folder of its images.

    Names are tried as they are, without what leads out of the folder (``../../images/a.png``,
    ``/data/a.png``, ``images\\\\a.png``), and alone.

    Args:
        path (Path): The file.
        root (Path): Folder of the data set.

    Raises:
        ConversionError: It is no COCO file, or none of its images is found.
    """
    content = read_json(path)
    if not _is_coco(content):
        raise ConversionError(f'{path}: is not a COCO instance file')
    listed = [image for image in content['images']
              if isinstance(image, dict) and isinstance(image.get('file_name'), str)]
    if not listed:
        raise ConversionError(f'{path}: holds no images')
    names = [_relative(image['file_name']) for image in listed]
    step = max(1, len(names) // _SAMPLES)
    best, folder, kept = 0, None, names
    for spelling in (names, [PurePosixPath(name).name for name in names]):
        for candidate in _image_folders(path, root):
            hits = sum(is_file(candidate / name) for name in spelling[::step])
            if hits > best:
                best, folder, kept = hits, candidate, spelling
        if folder is not None:
            break
    if folder is None:
        raise ConversionError(f'{path}: no image such as {names[0]} in {path.parent}, '
                              f'{root / "images"} or beside them; put the images into '
                              f'{root / "images"}')
    images = [{**image, 'file_name': name} for image, name in zip(listed, kept, strict=True)]
    return CocoPart(path, folder.resolve(), {**content, 'images': images})


def _relative(name: str) -> str:
    parts = [part for part in PurePosixPath(name.replace('\\', '/')).parts
             if part not in ('..', '.', '/')]
    return PurePosixPath(*parts).as_posix()


def _image_folders(path: Path, root: Path) -> Iterator[Path]:
    """Where images of an annotation file may lie, the likeliest first, each once."""
    subset = subset_of(path, root) if path.is_relative_to(root) else UNSPLIT
    stem = path.stem.removeprefix('instances_')
    words = [stem, *(word for word, name in SUBSET_NAMES.items() if name == subset)]
    above = path.parent.parent
    candidates = [path.parent]
    for base in dict.fromkeys((root, above, path.parent)):
        candidates += [base / 'images' / word for word in words]
        candidates += [base / word / 'images' for word in words]
        candidates += [base / word for word in words]
        candidates += [base / 'images', base]
    yield from (folder for folder in dict.fromkeys(candidates) if folder.is_dir())


def load_parts(source: Path) -> dict[str, CocoPart]:
    """Every part of a COCO data set, by subset.

    Args:
        source (Path): Its folder, or one annotation file.

    Raises:
        ConversionError: Nothing is found; see :func:`find_coco_files` and :func:`load_part`.
    """
    if source.is_file():
        root = source.parent.parent if source.parent.name == 'annotations' else source.parent
        return {subset_of(source, root): load_part(source, root)}
    return {subset: load_part(path, source) for subset, path in find_coco_files(source).items()}
