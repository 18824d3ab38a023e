"""Checks a COCO data set: structure, images, geometry, and images that are in two subsets."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medseg.errors import printable
from medseg.io import read_json

from .coco_rules import find_faults, name_fault
from .convert.files import is_file
from .convert.images import check_trainable, read_upright
from .convert.progress import progress
from .convert.records import ConversionError, RecordError
from .duplicates import Fingerprint, fingerprint, near_pairs
from .findings import Finding
from .grouping import Grouping, UnclearPatients, find_grouping


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
        if 'file_name' not in entry or name_fault(entry['file_name']):
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
    """Images and categories of different subsets.

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


def check_patients(subsets: Sequence[Subset],
                   group: Callable[[Sequence[str]], Grouping | None] | None = None
                   ) -> Iterator[Finding]:
    """Patients who are in two subsets, by the rule that the splitter uses.

    Args:
        subsets: The files.
        group: Finds the patients of file names, as the user wants it; by default the ``patient``
            of those images that have one is taken, else what ``find_grouping`` finds. Where the
            names are at odds, each grouping that leaks is one finding.

    Raises:
        ConversionError: the names do not fit what the user wants.
    """
    images = [(index, entry) for index, subset in enumerate(subsets)
              for entry in _entries(subset, 'images') if isinstance(entry.get('file_name'), str)]
    told = [(index, entry) for index, entry in images if 'patient' in entry]
    if group is None and told:
        images = told
        group = functools.partial(Grouping, "the images' field",
                                  tuple(str(entry['patient']) for _, entry in images))
    names = tuple(entry['file_name'] for _, entry in images)
    where = [index for index, _ in images]
    if len(set(where)) < 2:
        return
    try:
        found = [(group or find_grouping)(names)]
    except UnclearPatients as error:
        found = error.candidates
    sure = len(found) == 1 and found[0] is not None and found[0].sure
    for grouping in filter(None, found):
        seen: dict[str, set[int]] = defaultdict(set)
        for patient, index in zip(grouping.patients, where, strict=True):
            seen[patient].add(index)
        leaks = {patient: sorted(places) for patient, places in seen.items() if len(places) > 1}
        if leaks and not sure:
            yield Finding(str(subsets[0].path), '', 'patients unclear',
                          f'by {grouping.rule}, {len(leaks)} of {len(seen)} groups are in several '
                          f'subsets ({", ".join(list(leaks)[:3])}); if these are patients, it is a '
                          'leak; say what is meant with --pattern, --csv, --by folder or --by '
                          'image')
        for patient, places in sorted(leaks.items()) if sure else ():
            yield Finding(str(subsets[places[1]].path), '', 'patient in two subsets',
                          f'{patient} is also in {subsets[places[0]].path}')


def _entries(subset: Subset, key: str) -> list[dict[str, Any]]:
    entries = subset.content.get(key)
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(
        entries, list) else []
