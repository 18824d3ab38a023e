"""Where a YOLO data set keeps images, labels and class names: folders, or what data.yaml says."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .classes import load_mapping
from .files import is_dir, is_file, read_text
from .records import IMAGE_SUFFIXES, SUBSET_NAMES, UNSPLIT, ConversionError

YAML_NAMES = ('data.yaml', 'data.yml', 'dataset.yaml')
_ORDER = ('train', 'val', 'test', UNSPLIT)


@dataclass(frozen=True)
class YoloFolder:
    """Images and labels of one subset.

    Attributes:
        subset: ``train``, ``val``, ``test`` or ``all``.
        images: Folder of the images.
        labels: Folder of the label files, with the same tree.
        files: The images that belong to the subset; None for all of the folder.
    """

    subset: str
    images: Path
    labels: Path
    files: frozenset[Path] | None = None


def yaml_file(source: Path) -> Path | None:
    """The data.yaml of a data set: ``source`` itself or one in it."""
    if source.suffix.lower() in {'.yaml', '.yml'}:
        return source
    return next((source / name for name in YAML_NAMES if (source / name).is_file()), None)


def class_file(source: Path) -> Path:
    """The file of class names that came with the data set.

    Raises:
        ConversionError: there is none.
    """
    found = yaml_file(source)
    for path in (found, source / 'classes.txt', source / 'labels/classes.txt'):
        if path is not None and path.is_file():
            return path
    raise ConversionError(f'{source}: no data.yaml or classes.txt; name the classes with --classes')


def is_yolo(source: Path) -> bool:
    """Whether a path is a data.yaml, or a folder with one or with a tree of label files."""
    if yaml_file(source) is not None:
        return True
    return any((source / name).is_dir() for name in ('labels', 'train/labels'))


def find_folders(source: Path) -> list[YoloFolder]:
    """Folders of a data set in the YOLO layout.

    Args:
        source: The directory, or its data.yaml. Of a directory without a known layout the data.yaml
            in it is read.

    Raises:
        ConversionError: no known layout, or two folders for one subset.
    """
    if source.is_file():
        return _from_yaml(source)
    if not source.is_dir():
        raise ConversionError(f'{source}: no such directory')
    found = []
    for name, subset in SUBSET_NAMES.items():
        for images, labels in ((source / 'images' / name, source / 'labels' / name),
                               (source / name / 'images', source / name / 'labels')):
            if images.is_dir() or labels.is_dir():
                found.append(YoloFolder(subset, images, labels))
    if not found and (listed := yaml_file(source)) and 'train' in load_mapping(listed):
        return _from_yaml(listed)
    if not found and (source / 'images').is_dir():
        found = [YoloFolder(UNSPLIT, source / 'images', source / 'labels')]
    if not found:
        raise ConversionError(
            f'{source}: no images/, images/train/ or train/images/ folder; give the directory that '
            'holds images/ and labels/, or a data.yaml')
    for folder in found:
        same = [other for other in found if other.subset == folder.subset]
        if len(same) > 1:
            raise ConversionError(
                f'{source}: {same[0].images} and {same[1].images} are both {folder.subset}; '
                'keep one of them')
    return _checked(found)


def _checked(found: Sequence[YoloFolder]) -> list[YoloFolder]:
    """Folders in the order of the subsets, all of them there."""
    for folder in found:
        if not folder.labels.is_dir():
            raise ConversionError(f'{folder.labels}: no such directory of label files')
        if not folder.images.is_dir():
            raise ConversionError(f'{folder.images}: no such directory of images')
    return sorted(found, key=lambda folder: _ORDER.index(folder.subset))


def _from_yaml(path: Path) -> list[YoloFolder]:
    """Folders that an Ultralytics data.yaml names: ``path``, and ``train``, ``val``, ``test``.

    Each is a folder of images, a text file that lists images, or a list of these. Labels lie where
    the last ``images`` of the path is ``labels``, else beside the images.
    """
    content = load_mapping(path)
    if not isinstance(content.get('path', ''), str):
        raise ConversionError(f"{path}: 'path' is not a folder's name")
    found = []
    for key, subset in SUBSET_NAMES.items():
        given = content.get(key) or []
        if not isinstance(given, (str, list)):
            raise ConversionError(f'{path}: {key!r} is neither a folder nor a list of them')
        for item in [given] if isinstance(given, str) else given:
            if not isinstance(item, str):
                raise ConversionError(f'{path}: {key!r} holds what is no path')
            place = _resolve(path, content.get('path', ''), item, key)
            if place.is_dir():
                found.append(YoloFolder(subset, place, _label_folder(place)))
                continue
            files = _listed(place)
            folder = Path(os.path.commonpath([file.parent for file in files]))
            found.append(YoloFolder(subset, folder, _label_folder(folder), frozenset(files)))
    if not found:
        raise ConversionError(f'{path}: names no train, val or test images')
    return _checked(found)


def _resolve(path: Path, root: str, item: object, key: str) -> Path:
    """A folder or list that exists: below ``path``, beside the file, or, as Roboflow exports it,
    one level less far up than written.

    Raises:
        ConversionError: it is nowhere, or is neither a folder nor a text file.
    """
    text = str(item)
    below = path.parent / root
    places = [below / text, path.parent / text]
    if text.startswith('../'):
        places += [below / text[3:], path.parent / text[3:]]
    for place in places:
        if is_dir(place) or (is_file(place) and place.suffix.lower() == '.txt'):
            return place.resolve()
    raise ConversionError(f'{path}: {key}: {text}: no such folder or list of images; looked for '
                          f'{" and ".join(str(place) for place in dict.fromkeys(places))}')


def _listed(path: Path) -> list[Path]:
    """Images that a text file lists, one per line.

    Raises:
        ConversionError: it lists none, or one that is not there.
    """
    files = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        name = Path(line.strip())
        places = [name] if name.is_absolute() else [path.parent / name, path.parent.parent / name]
        file = next((place for place in places if is_file(place)), None)
        if file is None or file.suffix.lower() not in IMAGE_SUFFIXES:
            raise ConversionError(f'{path}: line {number}: {name} is no image that is there')
        files.append(file.resolve())
    if not files:
        raise ConversionError(f'{path}: lists no images')
    return files


def _label_folder(images: Path) -> Path:
    """Where the labels of a folder of images are."""
    parts = list(images.parts)
    if 'images' not in parts:
        return images
    parts[len(parts) - 1 - parts[::-1].index('images')] = 'labels'
    return Path(*parts)
