"""Reads the YOLO segmentation layout: an image and a text file with one object a line.

A line is ``class x1 y1 x2 y2 ...`` with coordinates as parts of the upright image's width and
height, from 0 to 1. Folders are ``images/<subset>`` with ``labels/<subset>``, ``<subset>/images``
with ``<subset>/labels``, ``images`` with ``labels`` for a set without a split, or what data.yaml
says.
"""

from __future__ import annotations

import functools
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from medseg.data.outlines import MAX_POINTS

from .files import files_below, is_file, read_bytes
from .images import read_facts
from .progress import progress
from .records import IMAGE_SUFFIXES, UNKNOWN_CLASS, UNSPLIT, Reading, RecordError, SourceImage
from .shape_rules import DuplicateFilter, check_ring, make_instance
from .yolo_layout import YoloFolder, find_folders


def parse_line(text: str, class_count: int) -> tuple[int, np.ndarray]:
    """Class number and points, as parts of the image's sides, of one label line.

    Args:
        text: The line.
        class_count: Number of classes of the source.

    Returns:
        The class number from 0 and an array of shape (N, 2).

    Raises:
        RecordError: the line is not a polygon of a known class.
    """
    tokens = text.split()
    if len(tokens) > 2 * MAX_POINTS + 1:
        raise RecordError('too many points', f'more than {MAX_POINTS} points')
    try:
        numbers = [float(token) for token in tokens]
    except ValueError as error:
        raise RecordError('not a number', f'cannot be read ({error})') from error
    if not all(map(math.isfinite, numbers)):
        bad = next(token for token, value in zip(tokens, numbers, strict=True)
                   if not math.isfinite(value))
        raise RecordError('not finite', f'{bad!r} is not a finite number')
    number, coordinates = numbers[0], numbers[1:]
    if number != int(number) or not 0 <= number < class_count:
        raise RecordError(
            UNKNOWN_CLASS, f'class {tokens[0]} is unknown; the classes are numbered 0 to '
            f'{class_count - 1} (give all of them with --classes)')
    if len(coordinates) == 4:
        raise RecordError('box only', 'a box without an outline, of no use for segmentation')
    if len(coordinates) % 2:
        raise RecordError(
            'odd number of coordinates', f'{len(coordinates)} coordinates do not make x, y pairs')
    if len(coordinates) < 6:
        raise RecordError(
            'too few points', f'{len(coordinates) // 2} points, at least 3 make an outline')
    return int(number), np.array(coordinates).reshape(-1, 2)


def read_yolo_seg(source: Path, numbers: Sequence[int], images_stay: bool = False,
                  unlabelled: str = 'skip', quiet: bool = False) -> Iterator[Reading]:
    """Yields the images of a YOLO-seg data set, and what cannot be used.

    Args:
        source: Directory of the data set, or its data.yaml.
        numbers: Class index for each class number of the source.
        images_stay: The images will not be written, so that none can be turned upright.
        unlabelled: What an image without a label file is: ``skip`` lists it, ``background`` takes
            it as an image without objects. (An empty label file always means no objects.)
        quiet: No progress bar.

    Raises:
        ConversionError: the layout is unknown.
    """
    folders = find_folders(source)
    if source.is_dir() and folders[0].subset != UNSPLIT:
        yield from _strays(source, folders)
    for folder in folders:
        yield from _read_folder(folder, numbers, images_stay, unlabelled, quiet)


def _strays(source: Path, folders: Sequence[YoloFolder]) -> Iterator[Reading]:
    """Images and labels beside the folders of the split, which would be lost silently."""
    known = {folder.images for folder in folders} | {folder.labels for folder in folders}
    for parent, suffixes in ((source / 'images', IMAGE_SUFFIXES), (source / 'labels', {'.txt'})):
        for path in files_below(parent, suffixes) if parent.is_dir() else ():
            if known.intersection(path.parents):
                continue
            is_label = '.txt' in suffixes
            stray = Reading(UNSPLIT, images=int(not is_label))
            try:
                if is_label:
                    _read_lines(path, stray)
                raise RecordError('outside the split',
                                  'lies in no train, val or test folder; move it into one')
            except RecordError as error:
                stray.skip(path, '', error.kind, error.reason, stray.records)
            yield stray


def _read_folder(folder: YoloFolder, numbers: Sequence[int], images_stay: bool, unlabelled: str,
                 quiet: bool) -> Iterator[Reading]:
    images: dict[Path, list[Path]] = defaultdict(list)
    for path in sorted(folder.files or files_below(folder.images, IMAGE_SUFFIXES)):
        if is_file(path) and path.suffix.lower() in IMAGE_SUFFIXES:
            images[path.relative_to(folder.images).with_suffix('')].append(path)
    labels = {path.relative_to(folder.labels).with_suffix(''): path
              for path in sorted(folder.labels.rglob('*.txt'))
              # Ultralytics and LabelImg leave the list of classes among the labels
              if path.name != 'classes.txt'}
    for stem in sorted(labels.keys() - images.keys() if folder.files is None else ()):
        reading = Reading(folder.subset)
        try:
            _read_lines(labels[stem], reading)
            raise RecordError('missing image',
                              f'no image {folder.images / stem}.* for this label file')
        except RecordError as error:
            reading.skip(labels[stem], '', error.kind, error.reason, reading.records)
        yield reading
    for stem, paths in progress(sorted(images.items()), f'reading {folder.subset}', quiet):
        label = labels.get(stem)
        reading = Reading(folder.subset, images=len(paths))
        try:
            lines = _read_lines(label, reading) if label else []
            if len(paths) > 1:
                # one label file cannot belong to two images, and nothing tells which is meant
                raise RecordError('duplicate image name',
                                  f'{" and ".join(path.name for path in paths)} share one label '
                                  'file; keep one of them')
            if label is None and unlabelled == 'skip':
                raise RecordError('missing label file',
                                  f'no {folder.labels / stem}.txt; an image without objects has an '
                                  'empty one (or pass --unlabelled background)')
            reading.image = _describe(folder, paths[0], images_stay, reading)
        except RecordError as error:
            reading.skip((label or paths[0]) if len(paths) > 1 else paths[0], '', error.kind,
                         error.reason, reading.records)
        else:
            _read_records(reading, label, lines, numbers)
        yield reading


def _describe(folder: YoloFolder, path: Path, images_stay: bool, reading: Reading) -> SourceImage:
    """Image record without objects.

    Raises:
        RecordError: the image cannot be decoded, or has to be written upright and will not be.
    """
    facts = read_facts(path)
    rewrite = facts.orientation != 1
    if rewrite and images_stay:
        raise RecordError('rotated image', f'EXIF orientation {facts.orientation} needs an upright '
                          'copy; use --images copy')
    if rewrite:
        reading.warn(path, '', 'turned upright',
                     f'EXIF orientation {facts.orientation}: written as an upright PNG')
    name = path.relative_to(folder.images)
    width, height = facts.size
    return SourceImage(folder.subset, (name.with_suffix('.png') if rewrite else name).as_posix(),
                       width, height, path=path, rewrite=rewrite)


def _read_lines(label: Path, reading: Reading) -> list[tuple[int, str]]:
    """Numbered lines of a label file that hold something; counted as records.

    Raises:
        RecordError: it cannot be read.
    """
    # bytes that are no text end up in a line that cannot be parsed, and is listed as such
    text = read_bytes(label).decode('utf-8-sig', 'replace')
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1)
             if line.strip()]
    reading.records += len(lines)
    return lines


def _read_records(reading: Reading, label: Path | None, lines: Sequence[tuple[int, str]],
                  numbers: Sequence[int]) -> None:
    """Adds the objects of a label file to the image of a reading."""
    image, duplicates = reading.image, DuplicateFilter()
    for number, text in lines:
        where = f'line {number}'
        warn = functools.partial(reading.warn, label, where)
        try:
            class_number, points = parse_line(text, len(numbers))
            duplicates.check(class_number, [points], where)
            ring = check_ring(points * (image.width, image.height), image.width, image.height, warn)
            image.instances.append(make_instance(numbers[class_number], [ring], where, warn))
        except RecordError as error:
            reading.skip(label, where, error.kind, error.reason)
