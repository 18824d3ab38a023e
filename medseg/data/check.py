"""Checks a COCO data set: structure, images, geometry, and images that are in two subsets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medseg.errors import printable
from medseg.io import read_json

from .coco_rules import find_faults, is_bad_name
from .convert.images import check_trainable, is_file, read_upright
from .convert.progress import progress
from .convert.records import ConversionError, RecordError
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


def check_annotations(subset: Subset, tolerance: float = 1.0) -> Iterator[Finding]:
    """Everything in a file that ``coco_rules`` finds fault with.

    Args:
        subset: The file.
        tolerance: How many pixels outside the image are still fine.
    """
    for fault in find_faults(subset.content, tolerance):
        yield Finding(str(subset.path), fault.record, fault.kind, fault.reason)


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
        if 'file_name' not in entry or is_bad_name(entry['file_name']):
            continue  # the rules have told about it
        record = f'image {printable(str(entry.get("id")), 80)}'
        path = subset.images / entry['file_name']
        if not is_file(path):
            findings.append(Finding(name, record, 'missing image', f'no {path}'))
            continue
        try:
            pixels = read_upright(path)
            check_trainable(path, pixels.shape)
        except RecordError as error:
            findings.append(Finding(name, record, error.kind, f'{path}: {error.reason}'))
            continue
        height, width = pixels.shape[:2]
        stated = entry.get('width'), entry.get('height')
        if stated != (width, height):
            findings.append(Finding(
                name, record, 'wrong size', 'says {}x{}, '.format(*map(repr, stated))
                + f'{entry["file_name"]} is {width}x{height}'))
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
                          f'{printable(repr(mine), 200)}, but {first.path} has '
                          f'{printable(repr(theirs), 200)}')
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
