"""Reads Supervisely projects: ``meta.json`` and, for each data set, ``ann/*.json`` and ``img/*``.

Polygons may have holes, bitmaps are PNGs placed at an origin. Coordinates are taken as they are;
bitmaps keep their exact pixels.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from medseg.data.outlines import MAX_COORDINATE, is_number

from .classes import ClassMap
from .files import from_base64, inflate, is_file, read_json
from .geometry import rectangle, subtract_holes
from .images import decoded, read_facts
from .progress import progress
from .records import (
    IMAGE_SUFFIXES,
    SUBSET_NAMES,
    UNSPLIT,
    ConversionError,
    Reading,
    RecordError,
    SourceImage,
)
from .shape_rules import (
    DuplicateFilter,
    check_outline,
    check_stated_size,
    clip_ring,
    make_instance,
    place_bitmap,
)

SUPPORTED_GEOMETRIES = ('polygon', 'bitmap', 'rectangle')


def meta_classes(source: Path) -> list[str]:
    """Class names of a project in the order of its ``meta.json``.

    Raises:
        ConversionError: the file is missing or holds no classes with an area.
    """
    path = source / 'meta.json'
    try:
        meta = read_json(path)
        names = [str(item['title']) for item in meta['classes']
                 if item.get('shape', 'any') in (*SUPPORTED_GEOMETRIES, 'any')]
    except (RecordError, KeyError, TypeError, AttributeError) as error:
        raise ConversionError(f'{path}: no class names to be read ({error!r}); give the directory '
                              'of a Supervisely project, or --classes') from error
    if not names:
        raise ConversionError(f'{path}: no class with polygons or bitmaps; give --classes')
    return names


def find_datasets(source: Path) -> dict[Path, str]:
    """Data sets of a project and their subsets.

    Where every data set is named after a subset (train, val, valid, validation, test), that is
    the split; otherwise all are one set without a split.

    Returns:
        ``{folder with ann/ and img/: subset}``.

    Raises:
        ConversionError: there is none, or two mean the same subset.
    """
    folders = sorted(folder.parent for folder in source.rglob('ann')
                     if folder.is_dir() and (folder.parent / 'img').is_dir())
    if not folders:
        raise ConversionError(f'{source}: no folder with ann/ and img/; give the directory of a '
                              'Supervisely project')
    if any(folder.name not in SUBSET_NAMES for folder in folders):
        return dict.fromkeys(folders, UNSPLIT)
    found = {folder: SUBSET_NAMES[folder.name] for folder in folders}
    if len(set(found.values())) != len(found):
        raise ConversionError(f'{source}: two of {", ".join(map(str, folders))} are one subset; '
                              'rename one')
    return found


def read_supervisely(source: Path, classes: ClassMap, images_stay: bool = False,
                     unlabelled: str = 'skip', ignore_exif: bool = False,
                     quiet: bool = False) -> Iterator[Reading]:
    """Yields the images of a project, and what cannot be used.

    Args:
        source: Directory of the project.
        classes: Finds the class of a title.
        images_stay: The images will not be written; rotated ones are listed.
        unlabelled: What an image without annotation file is: ``skip`` lists it, ``background``
            takes it as an image without objects.
        ignore_exif: The points are in the frame of the stored pixels.
        quiet: No progress bar.

    Raises:
        ConversionError: there is no data set in the project.
    """
    for folder, subset in find_datasets(source).items():
        annotations = {path.relative_to(folder / 'ann').as_posix(): path
                       for path in sorted((folder / 'ann').rglob('*.json'))}
        images = [path for path in sorted((folder / 'img').rglob('*'))
                  if path.suffix.lower() in IMAGE_SUFFIXES and is_file(path)]
        for path in progress(images, f'reading {folder.name}', quiet):
            reading = Reading(subset, images=1)
            name = path.relative_to(folder / 'img')
            # the first exports left the ending of the image out
            keys = (f'{name.as_posix()}.json', name.with_suffix('.json').as_posix())
            annotation = next((annotations.pop(key) for key in keys if key in annotations), None)
            objects, stated = _load(annotation, reading)
            if objects is not None:
                try:
                    if annotation is None and unlabelled == 'skip':
                        raise RecordError('missing label file', f'no ann/{keys[0]}; if it shows no '
                                          'object, pass --unlabelled background')
                    image = _describe(source, folder, subset, path, images_stay, ignore_exif)
                    check_stated_size(stated, read_facts(path, ignore_exif), 'its size',
                                      functools.partial(reading.warn, annotation, ''))
                except RecordError as error:
                    reading.skip(path, '', error.kind, error.reason, len(objects))
                else:
                    reading.image = image
                    if image.rewrite:
                        reading.warn(path, '', 'turned upright', 'written as a PNG whose pixels '
                                     'are in the frame of the points')
                    _read_objects(annotation, objects, reading, classes)
            yield reading
        for annotation in annotations.values():
            reading = Reading(subset)
            objects, _ = _load(annotation, reading)
            if objects is not None:
                reading.skip(annotation, '', 'missing image',
                             f'no image of that name in {folder / "img"}', len(objects))
            yield reading


def _load(path: Path | None, reading: Reading) -> tuple[list | None, tuple]:
    """Objects and stated (width, height) of an annotation file; None where it is broken."""
    if path is None:
        return [], (None, None)
    try:
        content = read_json(path)
        objects, size = content['objects'], content.get('size') or {}
        if not isinstance(objects, list):
            raise TypeError("'objects' is no list")
        stated = (size.get('width'), size.get('height'))
    except RecordError as error:
        reading.skip(path, '', error.kind, error.reason, 0)
        return None, (None, None)
    except (KeyError, TypeError, AttributeError) as error:
        reading.skip(path, '', 'broken label file',
                     f'is not a Supervisely annotation ({error!r})', 0)
        return None, (None, None)
    reading.records += len(objects)
    return objects, stated


def _describe(source: Path, folder: Path, subset: str, path: Path, images_stay: bool,
              ignore_exif: bool) -> SourceImage:
    stored = read_facts(path)
    rewrite = stored.orientation != 1
    if rewrite and images_stay:
        raise RecordError('rotated image', f'EXIF orientation {stored.orientation} needs an '
                          'upright copy; use --images copy')
    if images_stay:
        name = path.relative_to(source if subset == UNSPLIT else folder / 'img')
    else:
        name = path.relative_to(folder / 'img')
        if subset == UNSPLIT:
            name = folder.relative_to(source) / name
    if rewrite:
        name = name.with_suffix('.png')
    width, height = read_facts(path, ignore_exif).size
    return SourceImage(subset, PurePosixPath(name).as_posix(), width, height, path=path,
                       rewrite=rewrite, ignore_exif=ignore_exif)


def _read_objects(annotation: Path | None, objects: list, reading: Reading,
                  classes: ClassMap) -> None:
    """Adds the objects of an annotation file to the image of a reading."""
    image, duplicates = reading.image, DuplicateFilter()
    for number, item in enumerate(objects):
        where = f'object {number}'
        warn = functools.partial(reading.warn, annotation, where)
        try:
            if not isinstance(item, dict):
                raise RecordError('broken record', 'is not an object')
            category = classes.index(str(item.get('classTitle', '')))
            polygons, area = object_polygons(item, image.width, image.height, warn)
            duplicates.check(category, polygons, where)
            image.instances.append(make_instance(category, polygons, where, warn, area))
        except RecordError as error:
            reading.skip(annotation, where, error.kind, error.reason)


def object_polygons(item: dict[str, Any], width: int, height: int,
                    warn: Callable[[str, str], None]) -> tuple[list[np.ndarray], float | None]:
    """Rings of one Supervisely object, holes bridged into them.

    Args:
        item: The object.
        width: Image width in pixels.
        height: Image height in pixels.
        warn: Called with kind and reason for points put right.

    Returns:
        Rings of shape (N, 2) in pixels, and their area where it is known better than from them.

    Raises:
        RecordError: the object has no area or cannot be read.
    """
    kind = item.get('geometryType')
    if kind == 'bitmap':
        mask, left, top = _bitmap(item.get('bitmap'))
        return place_bitmap(mask, left, top, width, height, warn)
    if kind not in SUPPORTED_GEOMETRIES:
        raise RecordError('unsupported shape', f'a {kind} cannot be used, only '
                          f'{", ".join(SUPPORTED_GEOMETRIES)}')
    try:
        points = item['points']
        exterior = _points(points['exterior'])
        holes = [check_outline(_points(hole)) for hole in points.get('interior') or ()]
    except (KeyError, TypeError, AttributeError) as error:
        raise RecordError('broken record', f'its points cannot be read ({error!r})') from error
    if kind == 'rectangle':
        if len(exterior) != 2:
            raise RecordError('too few points', f'a rectangle has 2 points, not {len(exterior)}')
        exterior = rectangle(*exterior)
    parts = clip_ring(exterior, width, height, warn)
    if not holes:
        return parts, None
    cut = [subtract_holes(part, holes) for part in parts]
    if not any(rings for rings, _ in cut):
        raise RecordError('zero area', 'the holes leave nothing of the outline')
    return [ring for rings, _ in cut for ring in rings], sum(area for _, area in cut)


def _points(values: Any) -> np.ndarray:
    try:
        points = np.array(values, dtype=float)
    except (TypeError, ValueError, OverflowError) as error:
        raise RecordError('not a number', f'points cannot be read ({error})') from error
    if points.ndim != 2 or points.shape[1] != 2:
        raise RecordError('odd number of coordinates', 'points are not pairs of x and y')
    return points


def _bitmap(content: Any) -> tuple[np.ndarray, int, int]:
    """Mask, column and row of its first pixel."""
    try:
        left, top = content['origin']
        if not all(is_number(value) and abs(value) <= MAX_COORDINATE for value in (left, top)):
            raise RecordError('broken record', 'its origin is no place in an image')
        with decoded(inflate(from_base64(content['data'], 'its bitmap'))) as image:
            left, top = int(left), int(top)
            if image.mode in {'RGBA', 'LA'} or 'transparency' in image.info:
                return np.asarray(image.convert('RGBA'))[..., 3] != 0, left, top
            return np.asarray(image.convert('L')) != 0, left, top
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError('broken record', f'its bitmap cannot be read ({error!r})') from error
    except RecordError as error:
        raise RecordError('broken record', f'its bitmap: {error.reason}') from error
