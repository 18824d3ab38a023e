"""Checks a COCO data set: structure, images, geometry, and images that are in two subsets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medseg.io import read_json

from .convert.geometry import polygons_area
from .convert.images import read_upright
from .convert.progress import progress
from .convert.records import ConversionError, RecordError
from .convert.shape_rules import MIN_AREA
from .duplicates import Fingerprint, fingerprint, near_pairs
from .findings import Finding


@dataclass
class Subset:
    """One annotation file and its image folder."""

    path: Path
    images: Path
    content: dict[str, Any]


def load_subset(path: Path, images: Path) -> Subset:
    """Annotation file that is JSON; anything else about it is for the checks.

    Raises:
        ConversionError: the file is missing or no JSON object, or the folder is missing.
    """
    if not images.is_dir():
        raise ConversionError(f'{images}: no such image folder')
    content = read_json(path)
    if not isinstance(content, dict):
        raise ConversionError(f'{path}: is not a COCO instance file')
    return Subset(path, images, content)


def check_structure(subset: Subset) -> Iterator[Finding]:
    """Lists present, ids given once, references to something that is there."""
    name, content = str(subset.path), subset.content
    for key, fields in (('images', ('id', 'file_name', 'width', 'height')),
                        ('annotations', ('id', 'image_id', 'category_id', 'bbox', 'segmentation')),
                        ('categories', ('id', 'name'))):
        entries = content.get(key)
        if not isinstance(entries, list):
            yield Finding(name, '', 'broken file', f'no list of {key!r}')
            continue
        if not entries and key != 'annotations':
            yield Finding(name, '', 'broken file', f'no {key}')
        seen: dict[Any, int] = {}
        for number, entry in enumerate(entries):
            missing = ([field for field in fields if field not in entry]
                       if isinstance(entry, dict) else list(fields))
            if missing:
                yield Finding(name, f'{key}[{number}]', 'broken record',
                              f'has no {", ".join(missing)}')
            if isinstance(entry, dict) and 'id' in entry:
                first = seen.setdefault(entry['id'], number)
                if first != number:
                    yield Finding(name, f'{key}[{number}]', 'duplicate id',
                                  f'id {entry["id"]} is also that of {key}[{first}]')
    for key, field in (('images', 'file_name'), ('categories', 'name')):
        names: dict[str, Any] = {}
        for entry in _entries(subset, key):
            first = names.setdefault(str(entry.get(field)), entry)
            if first is not entry:
                yield Finding(name, f'{_single(key)} {entry.get("id")}', f'duplicate {field}',
                              f'{entry.get(field)!r} is also that of {first.get("id")}')
    images = {entry.get('id') for entry in _entries(subset, 'images')}
    categories = {entry.get('id') for entry in _entries(subset, 'categories')}
    for entry in _entries(subset, 'annotations'):
        record = f'annotation {entry.get("id")}'
        if 'image_id' in entry and entry['image_id'] not in images:
            yield Finding(name, record, 'unknown image', f'image_id {entry["image_id"]}')
        if 'category_id' in entry and entry['category_id'] not in categories:
            yield Finding(name, record, 'unknown category', f'category_id {entry["category_id"]}, '
                          f'known are {sorted(categories, key=str)}')


def check_geometry(subset: Subset, tolerance: float = 1.0) -> Iterator[Finding]:
    """Boxes and outlines inside their image, with an area.

    Args:
        subset: The file.
        tolerance: How many pixels outside the image are still fine.
    """
    sizes = {entry['id']: (entry['width'], entry['height'])
             for entry in _entries(subset, 'images')
             if all(_is_number(entry.get(key)) for key in ('width', 'height')) and 'id' in entry}
    for entry in _entries(subset, 'annotations'):
        size = sizes.get(entry.get('image_id'))
        if size is None:
            continue  # the structure check has told about it
        for kind, reason in (*_check_box(entry, size, tolerance),
                             *_check_outline(entry, size, tolerance)):
            yield Finding(str(subset.path), f'annotation {entry.get("id")}', kind, reason)


def _check_box(entry: Mapping[str, Any], size: tuple[float, float],
               tolerance: float) -> Iterator[tuple[str, str]]:
    if 'area' in entry and not (_is_number(entry['area']) and entry['area'] > MIN_AREA):
        yield 'zero area', f'area {entry["area"]}'
    if 'bbox' not in entry:
        return
    box = entry['bbox']
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        yield 'broken box', f'{box} is not x, y, width, height'
        return
    x, y, width, height = box
    if width <= 0 or height <= 0:
        yield 'zero area', f'box of {width:g}x{height:g}'
    if _outside([x, y], [x + width, y + height], size, tolerance):
        yield 'box outside', f'box {box} in an image of {size[0]}x{size[1]}'


def _check_outline(entry: Mapping[str, Any], size: tuple[float, float],
                   tolerance: float) -> Iterator[tuple[str, str]]:
    if 'segmentation' not in entry:
        return
    segmentation = entry['segmentation']
    if isinstance(segmentation, dict):
        if segmentation.get('size') != [size[1], size[0]]:
            yield 'wrong size', (f'RLE of height, width {segmentation.get("size")} for an image of '
                                 f'{size[0]}x{size[1]}')
        elif not segmentation.get('counts'):
            yield 'zero area', 'empty RLE'
        return
    if not isinstance(segmentation, list) or not segmentation:
        yield 'broken outline', 'segmentation is empty'
        return
    rings = []
    for number, flat in enumerate(segmentation):
        if not isinstance(flat, list) or len(flat) < 6 or len(flat) % 2 or not all(
                map(_is_number, flat)):
            yield 'broken outline', f'polygon {number} is not three or more finite pairs x, y'
            return
        rings.append(np.array(flat, dtype=float).reshape(-1, 2))
    points = np.concatenate(rings)
    if _outside(points.min(axis=0), points.max(axis=0), size, tolerance):
        (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
        yield 'outline outside', (f'outline spans x {left:g} to {right:g}, y {top:g} to {bottom:g} '
                                  f'in an image of {size[0]}x{size[1]}')
    if polygons_area(rings) <= MIN_AREA:
        yield 'zero area', 'the outline encloses no area'


def check_images(subset: Subset, quiet: bool = False) -> tuple[list[Finding], list[Fingerprint]]:
    """Decodes every image.

    Args:
        subset: The file.
        quiet: No progress bar.

    Returns:
        Findings (missing, truncated, of another size than stated) and what the images look like.
    """
    findings, prints = [], []
    name = str(subset.path)
    for entry in progress(_entries(subset, 'images'), f'images of {subset.path.stem}', quiet):
        if 'file_name' not in entry:
            continue
        record = f'image {entry.get("id")}'
        path = subset.images / str(entry['file_name'])
        if not path.is_file():
            findings.append(Finding(name, record, 'missing image', f'no {path}'))
            continue
        try:
            pixels = read_upright(path)
        except RecordError as error:
            findings.append(Finding(name, record, error.kind, f'{path}: {error.reason}'))
            continue
        height, width = pixels.shape[:2]
        if (entry.get('width'), entry.get('height')) != (width, height):
            findings.append(Finding(
                name, record, 'wrong size', f'says {entry.get("width")}x{entry.get("height")}, '
                f'{entry["file_name"]} is {width}x{height}'))
        prints.append(fingerprint(pixels, name, str(entry['file_name'])))
    return findings, prints


def check_between(subsets: Sequence[Subset], prints: Sequence[Sequence[Fingerprint]],
                  near: bool = True) -> Iterator[Finding]:
    """Images, patients and categories of different subsets.

    Args:
        subsets: The files.
        prints: Their images, from :func:`check_images`.
        near: Also look for near-duplicates.
    """
    for index, subset in enumerate(subsets[1:], start=1):
        first = subsets[0]
        mine, theirs = ([(entry.get('id'), entry.get('name'))
                         for entry in _entries(item, 'categories')] for item in (subset, first))
        if mine != theirs:
            yield Finding(str(subset.path), '', 'different categories',
                          f'{mine}, but {first.path} has {theirs}')
        for other, known in zip(subsets[:index], prints[:index], strict=True):
            for patient in sorted(_patients(other) & _patients(subset)):
                yield Finding(str(subset.path), '', 'patient in two subsets',
                              f'{patient} is also in {other.path}')
            content = {item.digest: item for item in known}
            exact = set()
            for item in prints[index]:
                if item.digest in content:
                    exact.add(item.name)
                    yield Finding(item.source, item.name, 'image in two subsets',
                                  f'same pixels as {content[item.digest].name} in {other.path}')
            if not near:
                continue
            rest = [item for item in prints[index] if item.name not in exact]
            for item, twin, likeness in near_pairs(rest, known):
                yield Finding(item.source, item.name, 'near-duplicate in two subsets',
                              f'{100 * likeness:.1f} % like {twin.name} in {other.path}')


def _patients(subset: Subset) -> set[str]:
    return {str(entry['patient']) for entry in _entries(subset, 'images') if 'patient' in entry}


def _entries(subset: Subset, key: str) -> list[dict[str, Any]]:
    entries = subset.content.get(key)
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(
        entries, list) else []


def _single(key: str) -> str:
    return {'images': 'image', 'categories': 'category'}[key]


def _is_number(value: Any) -> bool:
    return (isinstance(value, (int, float)) and not isinstance(value, bool)
            and bool(np.isfinite(value)))


def _outside(low: Sequence[float], high: Sequence[float], size: tuple[float, float],
             tolerance: float) -> bool:
    return bool(min(low) < -tolerance or high[0] > size[0] + tolerance
                or high[1] > size[1] + tolerance)
