"""Reads LabelMe: one JSON file for each image.

LabelMe shows images upright, so its points are taken in the upright frame (EXIF orientation
applied). Where a file says that it was annotated in the stored frame, nothing is guessed: the
image is listed, unless ``ignore_exif`` says that all files are in the stored frame.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np

from medseg.data.outlines import MAX_COORDINATE

from .classes import ClassMap, label_key
from .files import files_below, from_base64, is_file, read_json, real
from .geometry import circle, rectangle
from .images import ImageFacts, decoded, read_facts
from .nesting import cut_holes, depths
from .progress import progress
from .records import (
    IMAGE_SUFFIXES,
    UNSPLIT,
    ConversionError,
    Reading,
    RecordError,
    SourceImage,
    SourceInstance,
)
from .shape_rules import DuplicateFilter, check_stated_size, clip_ring, make_instance, place_bitmap

#: Four corners, one after the other. LabelMe writes oriented_rectangle, X-AnyLabeling rotation and
#: quadrilateral, other tools of the family the rest.
CORNERS = ('rotation', 'oriented_rectangle', 'rotated_rectangle', 'rotated_box', 'quadrilateral')
#: Why an image is not read.
OUTSIDE = ('{} leads to an image outside the source; if it is yours, pass --allow-outside')
SUPPORTED_SHAPES = ('polygon', 'rectangle', 'circle', 'mask', *CORNERS)
#: Shapes that mark a place and no object's area.
WITHOUT_AREA = ('point', 'points', 'line', 'linestrip', 'cuboid')


def read_labelme(source: Path, classes: ClassMap, images_stay: bool = False,
                 unlabelled: str = 'skip', ignore_exif: bool = False,
                 allow_outside: bool = False, holes: bool = False,
                 quiet: bool = False) -> Iterator[Reading]:
    """Yields the images of a folder of LabelMe files and of all folders in it, and what cannot be
    used.

    Args:
        source: Directory.
        classes: Finds the class of a label.
        images_stay: The images will not be written; embedded and rotated ones are listed.
        unlabelled: What an image without a JSON file is: ``skip`` lists it, ``background`` takes
            it as an image without objects.
        ignore_exif: The points are in the frame of the stored pixels.
        allow_outside: Images may lie outside the source, where ``imagePath`` or a link leads.
        holes: A polygon inside another of the same group is a hole in it.
        quiet: No progress bar.
    """
    reader = _Reader(source, classes, images_stay, ignore_exif, allow_outside, holes)
    # a link that leads nowhere is no file, and yet somebody's annotation
    files = sorted(path for path in source.rglob('*.json') if not path.is_dir())
    for path in progress(files, 'reading LabelMe', quiet):
        yield reader.read(path)
    for path in files_below(source, IMAGE_SUFFIXES):
        if real(path) not in reader.used:
            yield reader.read_unlabelled(path, unlabelled)


def labels_of(source: Path) -> list[str]:
    """Labels of all shapes that can be used, sorted; spellings that differ in case, hyphens and
    spaces alone are one, under the one used most.

    Raises:
        ConversionError: There is none.
    """
    counts: Counter[str] = Counter()
    for path in sorted(source.rglob('*.json')):
        try:
            shapes = _load(path)['shapes']
        except RecordError:
            continue  # the conversion lists it
        for shape in shapes:
            if isinstance(shape, dict) and (
                    shape.get('shape_type') or 'polygon') in SUPPORTED_SHAPES:
                with contextlib.suppress(RecordError):  # the conversion lists it
                    counts[label_of(shape)] += 1
    del counts['']
    labels: dict[str, str] = {}
    for label, _ in counts.most_common():
        labels.setdefault(label_key(label), label)
    if not labels:
        raise ConversionError(f'{source}: no LabelMe file with a labelled outline')
    return sorted(labels.values())


class _Reader:
    """State of one run: the images met so far."""

    def __init__(self, source: Path, classes: ClassMap, images_stay: bool,
                 ignore_exif: bool, allow_outside: bool, holes: bool) -> None:
        self.source = source
        self.classes = classes
        self.images_stay = images_stay
        self.ignore_exif = ignore_exif
        self.allow_outside = allow_outside
        self.holes = holes
        self.used: dict[Path, Path] = {}

    def read(self, path: Path) -> Reading:
        """What one JSON file gives."""
        reading = Reading(UNSPLIT)
        shapes: list = []
        try:
            content = _load(path)
            shapes = content['shapes']
            reading.records, reading.images = len(shapes), 1
            reading.image = self._find_image(path, content, reading)
        except RecordError as error:
            reading.skip(path, '', error.kind, error.reason, len(shapes))
        else:
            self._read_shapes(path, shapes, reading)
        return reading

    def read_unlabelled(self, path: Path, unlabelled: str) -> Reading:
        """What an image gives that no JSON file has used."""
        reading = Reading(UNSPLIT, images=1)
        label = path.with_suffix('.json')
        try:
            if os.path.lexists(label):
                # never background: somebody annotated something here
                raise RecordError('missing label file',
                                  f'{label.name} cannot be used or is about another image')
            if unlabelled == 'skip':
                raise RecordError('missing label file', f'no {label.name} for this image; if it '
                                  'shows no object, pass --unlabelled background')
            if not self._allowed(path):
                raise RecordError('image elsewhere', OUTSIDE.format('this link'))
            reading.image = self._describe(path, path, read_facts(path, self.ignore_exif), None,
                                           reading)
        except RecordError as error:
            reading.skip(path, '', error.kind, error.reason, 0)
        return reading

    def _find_image(self, path: Path, content: dict[str, Any], reading: Reading) -> SourceImage:
        """The image a file is about.

        The separate file is preferred, since it is the original; LabelMe drew on the embedded
        one, so that decides where the two differ in size.
        """
        name = content.get('imagePath')
        # files annotated on Windows name their image with backslashes
        name = PureWindowsPath(name).as_posix() if isinstance(name, str) and name else ''
        candidates = [path.parent / name, path.parent / Path(name).name] if name else []
        candidates += [path.with_suffix(suffix) for suffix in sorted(IMAGE_SUFFIXES)]
        candidates += [path.with_suffix(suffix.upper()) for suffix in sorted(IMAGE_SUFFIXES)]
        candidates = [item for item in candidates if is_file(item)]
        file = next(filter(self._allowed, candidates), None)
        embedded = content.get('imageData')
        problem = RecordError('missing image', f'no image {name or path.stem + ".*"} beside it '
                              'and none embedded')
        if candidates and file is None:
            problem = RecordError('image elsewhere', OUTSIDE.format(name or candidates[0].name))
        facts = None
        if file is not None:
            if name and file.name != Path(name).name:
                reading.warn(path, '', 'image found by name',
                             f'names {name}, which is not in the source; {file.name} is used')
            other = self.used.setdefault(real(file), path)
            if other != path:
                raise RecordError('image annotated twice',
                                  f'{file.name} is already annotated by {other.name}')
            try:
                facts = read_facts(file, self.ignore_exif)
            except RecordError as error:
                problem = RecordError(error.kind, f'{file.name}: {error.reason}')
        if embedded:
            try:
                drawn_on = read_facts(_embedded(embedded), self.ignore_exif)
            except RecordError as error:
                if facts is None:
                    raise RecordError(error.kind, f'embedded image: {error.reason}') from error
            else:
                if facts is None or facts.size != drawn_on.size:
                    if file is not None:
                        reading.warn(path, '', 'embedded image used',
                                     f'{file.name} is broken or differs in size')
                    file, facts = None, drawn_on
        if facts is None:
            raise problem
        check_stated_size(
            (content.get('imageWidth'), content.get('imageHeight')), facts,
            'imageWidth and imageHeight', functools.partial(reading.warn, path, ''))
        suffix = file.suffix if file is not None else _embedded_suffix(embedded)
        return self._describe(path.with_suffix(suffix), file, facts, path, reading)

    def _inside(self, file: Path) -> bool:
        return real(file).is_relative_to(real(self.source))

    def _allowed(self, file: Path) -> bool:
        """Whether an image may be read: somebody else's file must not fetch it from anywhere."""
        return self.allow_outside or self._inside(file)

    def _describe(self, name: Path, file: Path | None, facts: ImageFacts,
                  annotation: Path | None, reading: Reading) -> SourceImage:
        """Image record named after its JSON file, whose path nothing else has.

        Raises:
            RecordError: the image has to be written and will not be.
        """
        rewrite = facts.orientation != 1 or (self.ignore_exif and file is not None
                                             and read_facts(file).orientation != 1)
        if self.images_stay:
            if file is None:
                raise RecordError('embedded image', 'the image is embedded; use --images copy')
            if rewrite:
                raise RecordError('rotated image', 'the EXIF orientation needs an upright copy; '
                                  'use --images copy')
            if not self._inside(file):
                raise RecordError('image elsewhere',
                                  f'{file} lies outside {self.source}; use --images copy')
            relative = real(file).relative_to(real(self.source))
        else:
            relative = name.relative_to(self.source)
        if rewrite:
            relative = relative.with_suffix('.png')
            reading.warn(annotation or name, '', 'turned upright',
                         'written as a PNG whose pixels are in the frame of the points')
        width, height = facts.size
        return SourceImage(
            UNSPLIT, relative.as_posix(), width, height, path=file, rewrite=rewrite,
            ignore_exif=self.ignore_exif,
            # read again when written, so that not all images are held in memory
            read_bytes=None if file is not None else lambda: _embedded(
                read_json(annotation)['imageData']))

    def _read_shapes(self, path: Path, shapes: list, reading: Reading) -> None:
        image = reading.image
        groups: dict[tuple, list[SourceInstance]] = {}
        group_classes: dict[Any, str] = {}
        duplicates = DuplicateFilter()
        for number, shape in enumerate(shapes):
            where = f'shape {number}'
            warn = functools.partial(reading.warn, path, where)
            try:
                if not isinstance(shape, dict):
                    raise RecordError('broken record', 'is not an object')
                # first, so that points and lines, which no class has, are not unknown classes
                polygons, area = shape_polygons(shape, image.width, image.height, warn)
                category = self.classes.index(label_of(shape))
                duplicates.check(category, polygons, where)
                # the parts are checked one by one, so that one bad part does not take the others
                part = make_instance(category, polygons, where, warn, area)
            except RecordError as error:
                reading.skip(path, where, error.kind, error.reason)
                continue
            group = shape.get('group_id')
            if group is not None:
                label = group_classes.setdefault(str(group), self.classes.names[category])
                if label != self.classes.names[category]:
                    warn('group of two classes',
                         f'group {group} holds {label!r} and {self.classes.names[category]!r}; '
                         'kept as one object of each')
            key = ('alone', number) if group is None else (category, str(group))
            groups.setdefault(key, []).append(part)
        for parts in groups.values():
            where = ', '.join(part.where for part in parts)
            try:
                image.instances.append(self._joined(
                    parts, where, functools.partial(reading.warn, path, where)))
            except RecordError as error:
                reading.skip(path, where, error.kind, error.reason, len(parts))
            else:
                reading.merged += len(parts) - 1

    def _joined(self, parts: list[SourceInstance], where: str,
                warn: Callable[[str, str], None]) -> SourceInstance:
        """One object of the parts of a group.

        Raises:
            RecordError: together they are too much, or their holes leave nothing.
        """
        if len(parts) == 1:
            return parts[0]
        rings, area = [ring for part in parts for ring in part.polygons], None
        inside = sum(map(bool, depths(rings)))
        if inside and self.holes:
            rings, area = cut_holes(rings)
            warn('hole cut', f'{inside} polygons of the group lie inside another: cut out of it')
        elif inside:
            warn('filled hole', f'{inside} polygons of the group lie inside another and are filled '
                 'with it; if they are holes, pass --holes')
        return make_instance(parts[0].category, rings, where, lambda *_: None, area)


def label_of(shape: dict[str, Any]) -> str:
    """Label of a shape.

    Raises:
        RecordError: it is no text.
    """
    label = shape.get('label', '')
    try:
        if not isinstance(label, (str, int, float)):
            raise RecordError('broken record', f'its label is a {type(label).__name__}, not text')
        str(label).encode()
    except ValueError as error:
        raise RecordError('broken record', 'its label is no text') from error
    return str(label).strip()


def _load(path: Path) -> dict[str, Any]:
    """Content of a LabelMe file.

    Raises:
        RecordError: it is none.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get('shapes'), list):
        raise RecordError('broken label file', "is not a LabelMe file: no list of 'shapes'")
    return content


def shape_polygons(shape: dict[str, Any], width: int, height: int,
                   warn: Callable[[str, str], None]) -> tuple[list[np.ndarray], float | None]:
    """Rings of one LabelMe shape.

    Args:
        shape: ``shape_type``, ``points`` and for masks ``mask``.
        width: Image width in pixels.
        height: Image height in pixels.
        warn: Called with kind and reason for points put right.

    Returns:
        Rings of shape (N, 2) in pixels, inside the image, and their area where it is known
        better than from the rings.

    Raises:
        RecordError: the shape has no area or its points cannot be read.
    """
    kind = shape.get('shape_type') or 'polygon'  # the first LabelMe files know polygons only
    if kind in WITHOUT_AREA:
        raise RecordError('unsupported shape', f'a {kind} has no area in the image; only '
                          f'{", ".join(SUPPORTED_SHAPES)} can be used')
    if kind not in SUPPORTED_SHAPES:
        raise RecordError('unsupported shape', f'{kind!r} is no known type of shape; known are '
                          f'{", ".join(SUPPORTED_SHAPES)}')
    try:
        points = np.array(shape['points'], dtype=float)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise RecordError('not a number', f'points cannot be read ({error})') from error
    if points.ndim != 2 or points.shape[1] != 2:
        raise RecordError('odd number of coordinates', 'points are not pairs of x and y')
    # X-AnyLabeling writes all four corners of a rectangle, LabelMe two
    if kind in CORNERS and len(points) != 4:
        raise RecordError('too few points', f'a {kind} has 4 corners, not {len(points)}')
    if kind in ('polygon', *CORNERS) or (kind == 'rectangle' and len(points) == 4):
        return clip_ring(points, width, height, warn), None
    if len(points) != 2:
        raise RecordError('too few points', f'a {kind} has 2 points, not {len(points)}')
    if not np.isfinite(points).all():
        raise RecordError('not finite', 'a coordinate is not a finite number')
    if np.abs(points).max() > MAX_COORDINATE:
        raise RecordError('outside the image', f'a {kind} whose points lie outside every image')
    if kind == 'mask':
        return _mask_polygons(shape, points, width, height, warn)
    if kind == 'rectangle':
        return clip_ring(rectangle(*points), width, height, warn), None
    radius = float(np.hypot(*(points[1] - points[0])))
    if radius == 0:
        raise RecordError('zero area', 'the circle has no radius')
    return clip_ring(circle(points[0], radius), width, height, warn), None


def _mask_polygons(shape: dict[str, Any], points: np.ndarray, width: int, height: int,
                   warn: Callable[[str, str], None]) -> tuple[list[np.ndarray], float]:
    """Rings and area of a mask shape: a PNG whose first pixel lies at the first point."""
    try:
        with decoded(from_base64(shape.get('mask'), 'its mask')) as image:
            mask = np.asarray(image.convert('L')) != 0
    except RecordError as error:
        raise RecordError('broken record', f'its mask: {error.reason}') from error
    left, top = np.floor(points.min(axis=0)).astype(int)
    return place_bitmap(mask, int(left), int(top), width, height, warn)


def _embedded(text: Any) -> bytes:
    return from_base64(text, 'the embedded image')


def _embedded_suffix(text: str) -> str:
    with decoded(_embedded(text)) as image:
        return {'JPEG': '.jpg', 'TIFF': '.tif'}.get(image.format, f'.{image.format.lower()}')
