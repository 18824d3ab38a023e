"""Splits images into subsets: by patient, stratified by class, the same for the same seed."""

from __future__ import annotations

import copy
import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from .coco_file import SUBSETS
from .convert.records import ConversionError

PATIENT_WORD = r'(?:patients?|pat|pt|p|case|subject|subj|sub|pid|person|proband)[_\-. ]?'
"""Words for a patient, and what may stand between them and the number."""

DEFAULT_PATTERN = rf'(?i)(?:^|(?<=[/_\-. ]))({PATIENT_WORD}\d+)(?=[/_\-. ])'
"""Patient in a file name: ``p01_03.png``, ``patient-12/003.png``, ``x_P7-frame2.jpg``."""

RESTARTS = 8
"""Random starts of the search; the best result is taken."""


def same_patient(patient: str) -> str:
    """Spelling under which patients are compared.

    ``P1``, ``p01``, ``case_1`` and ``patient1`` are taken for one patient: joining two keeps them
    apart from no one, while parting one would leak.
    """
    text = re.sub(r'\d+', lambda digits: digits[0].lstrip('0') or '0', patient.casefold().strip())
    return re.sub(rf'^{PATIENT_WORD}(?=\d+$)', '', text)


def patients_by_pattern(file_names: Sequence[str], pattern: str = DEFAULT_PATTERN) -> list[str]:
    """Patient of each image, from its file name.

    Args:
        file_names: Paths with forward slashes.
        pattern: Regular expression; its first group, or the whole match, is the patient.

    Raises:
        ConversionError: the pattern is invalid, or a name does not match it.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConversionError(
            f'pattern {pattern!r} is not a regular expression: {error}') from error
    spelling: dict[str, str] = {}
    patients, missing = [], []
    for name in file_names:
        match = expression.search(name)
        patient = match and (match[1] if expression.groups else match[0])
        if not patient:
            missing.append(name)
            continue
        patients.append(spelling.setdefault(same_patient(patient), patient))
    if missing:
        raise ConversionError(
            f'{missing[0]}: no patient in the file name ({len(missing)} of {len(file_names)} names '
            f'do not match {pattern!r}); give --pattern with a group for the patient, or --csv '
            'with columns file and patient; --by image splits without patients, which leaks')
    return patients


def patients_by_csv(file_names: Sequence[str], path: Path) -> list[str]:
    """Patient of each image, from a table.

    Args:
        file_names: Paths with forward slashes.
        path: CSV with columns ``file`` (path, name, or name without ending) and ``patient``.

    Raises:
        ConversionError: a column is missing, an image is not in the table, or the table gives it
            two patients.
    """
    try:
        with path.open(newline='', encoding='utf-8-sig') as file:
            reader = csv.DictReader(file)
            fields = reader.fieldnames or []
            if not {'file', 'patient'} <= set(fields):
                raise ConversionError(
                    f'{path}: columns are {fields}; the first line must name file and patient')
            rows = [(number, row['file'] or '', row['patient'] or '')
                    for number, row in enumerate(reader, start=2)]
    except (OSError, UnicodeDecodeError) as error:
        raise ConversionError(f'{path}: cannot be read ({error})') from error
    table: dict[str, str] = {}
    for number, name, patient in rows:
        name = name.strip().replace('\\', '/')
        if not name or not patient.strip():
            raise ConversionError(f'{path}: line {number}: file or patient is empty')
        other = table.setdefault(name, patient.strip())
        if same_patient(other) != same_patient(patient):
            raise ConversionError(f'{path}: line {number}: {name} has patient {patient.strip()!r} '
                                  f'here and {other!r} above; keep one')
    spelling: dict[str, str] = {}
    patients, by_part = [], {}
    for name in file_names:
        key = next((key for key in _spellings(name) if key in table), None)
        if key is None:
            raise ConversionError(f'{path}: no line for image {name}; add {name},<patient>')
        if by_part.setdefault(key, name) != name:
            raise ConversionError(f'{path}: {key} means both {by_part[key]} and {name}; '
                                  'give their paths')
        patients.append(spelling.setdefault(same_patient(table[key]), table[key]))
    return patients


def _spellings(name: str) -> list[str]:
    """What a table may call an image: its path or the end of it, with or without file ending."""
    parts = PurePosixPath(name).parts
    ends = [PurePosixPath(*parts[start:]) for start in range(len(parts))]
    return [text for end in ends for text in (end.as_posix(), end.with_suffix('').as_posix())]


def subset_sizes(count: int, ratios: Sequence[float]) -> list[int]:
    """Whole numbers that share ``count`` by ``ratios``.

    All subsets but the first are rounded to the nearest, at least 1 where their ratio is above 0;
    the first gets the rest. 61 patients by 8:1:1 make 49, 6 and 6.

    Raises:
        ConversionError: a ratio is negative, or ``count`` is too small.
    """
    if min(ratios) < 0 or not all(map(np.isfinite, ratios)) or sum(ratios) <= 0:
        raise ConversionError(f'ratios {list(ratios)}: none may be negative, nor all be 0')
    rest = [max(1, int(np.floor(count * ratio / sum(ratios) + 0.5))) if ratio else 0
            for ratio in ratios[1:]]
    sizes = [count - sum(rest), *rest]
    if sizes[0] < (ratios[0] > 0):
        raise ConversionError(f'{count} patients or images are too few to split by {list(ratios)}')
    return sizes


def image_sizes(count: int, ratios: Sequence[float], patients: int | None) -> list[int]:
    """Sizes of an ungrouped split.

    Where the number of patients is known, the sizes are those of a split by patients of equal
    size, so that the two can be compared: 610 images of 61 patients make 490, 60 and 60, as in
    the paper. Otherwise the images are shared by ``ratios``.
    """
    if patients is None or patients < sum(ratio > 0 for ratio in ratios):
        return subset_sizes(count, ratios)
    rest = [int(np.floor(size * count / patients + 0.5))
            for size in subset_sizes(patients, ratios)[1:]]
    return [count - sum(rest), *rest]


def group_features(content: Mapping[str, Any], groups: Sequence[int]) -> np.ndarray:
    """What is to be shared evenly, for each group of images.

    Args:
        content: COCO content.
        groups: Group number, from 0, of each image.

    Returns:
        Array of shape (G, 1 + 2C): images, images that show each class, instances of each class.
    """
    classes = {item['id']: index for index, item in enumerate(content['categories'])}
    rows = {item['id']: index for index, item in enumerate(content['images'])}
    instances = np.zeros((len(rows), len(classes)))
    for annotation in content['annotations']:
        try:
            instances[rows[annotation['image_id']], classes[annotation['category_id']]] += 1
        except KeyError as error:
            raise ConversionError(
                f'annotation {annotation.get("id")}: no image or category {error}; run '
                'tools/data/check.py') from error
    per_image = np.concatenate([np.ones((len(rows), 1)), instances > 0, instances], axis=1)
    features = np.zeros((max(groups) + 1, per_image.shape[1]))
    np.add.at(features, np.asarray(groups), per_image)
    return features


def split_content(content: Mapping[str, Any], keys: Sequence[str], sizes: Sequence[int], seed: int
                  ) -> dict[str, dict[str, Any]]:
    """COCO content of each subset; images of the same key stay together.

    Args:
        content: What is split; it is not changed, but its annotations are shared.
        keys: Patient (or name) of each image.
        sizes: Number of different keys in train, val and test.
        seed: Any non-negative integer.
    """
    number = {key: index for index, key in enumerate(sorted(set(keys)))}
    groups = [number[key] for key in keys]
    labels = stratified_split(group_features(content, groups), sizes, seed)
    return parts_of(content, [SUBSETS[labels[group]] for group in groups])


def parts_of(content: Mapping[str, Any], subsets: Sequence[str]) -> dict[str, dict[str, Any]]:
    """COCO content by subset.

    Args:
        content: What is split; it is not changed, but its annotations are shared.
        subsets: ``train``, ``val`` or ``test`` for each image.
    """
    subset_of = {image['id']: subset
                 for image, subset in zip(content['images'], subsets, strict=True)}
    parts = {}
    for subset in SUBSETS:
        part = {key: value for key, value in content.items()
                if key not in {'images', 'annotations'}}
        part['images'] = [copy.copy(image) for image in content['images']
                          if subset_of[image['id']] == subset]
        part['annotations'] = [annotation for annotation in content['annotations']
                               if subset_of[annotation['image_id']] == subset]
        parts[subset] = part
    return parts


def stratified_split(features: np.ndarray, sizes: Sequence[int], seed: int) -> np.ndarray:
    """Subset of each group, so that every feature is shared as the sizes are.

    From random starts, pairs of groups change places as long as that lowers the sum of squared
    relative deviations from the ideal shares.

    Args:
        features: Array of shape (G, F), non-negative.
        sizes: Number of groups in each subset; they add up to G.
        seed: Any non-negative integer.

    Returns:
        Integers of shape (G,), the subset of each group.
    """
    total = features.sum(axis=0)
    features = features[:, total > 0]
    sizes = np.asarray(sizes)
    rng = np.random.default_rng(seed)
    # relative deviations: small subsets and rare classes matter as much as large ones
    ideal = features.sum(axis=0) * (sizes[:, None] / sizes.sum())
    weights = 1 / np.maximum(ideal, 1e-9) ** 2
    weights[sizes == 0] = 0
    best, best_cost = np.zeros(len(features), dtype=int), np.inf
    for _ in range(RESTARTS if len(features) <= 200 else 1):
        labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
        cost = _improve(features, labels, ideal, weights)
        if cost < best_cost - 1e-12:
            best, best_cost = labels, cost
    return best


def _improve(features: np.ndarray, labels: np.ndarray, ideal: np.ndarray,
             weights: np.ndarray) -> float:
    """Swaps groups between subsets, best pair first, until none helps; returns the cost."""
    deviation = np.stack([features[labels == subset].sum(axis=0)
                          for subset in range(len(ideal))]) - ideal
    while True:
        best = (-1e-9, None)
        for first in range(len(ideal)):
            for second in range(first + 1, len(ideal)):
                mine, theirs = np.flatnonzero(labels == first), np.flatnonzero(labels == second)
                if not len(mine) or not len(theirs):
                    continue
                change = features[theirs][None] - features[mine][:, None]
                gain = ((change * (change + 2 * deviation[first])) @ weights[first]
                        + (change * (change - 2 * deviation[second])) @ weights[second])
                at = np.unravel_index(int(gain.argmin()), gain.shape)
                if gain[at] < best[0]:
                    best = (gain[at], (first, second, mine[at[0]], theirs[at[1]]))
        if best[1] is None:
            return float((weights * deviation ** 2).sum())
        first, second, mine, theirs = best[1]
        change = features[theirs] - features[mine]
        deviation[first] += change
        deviation[second] -= change
        labels[mine], labels[theirs] = second, first
