"""K folds: every patient is tested once, in the fold where it is held out."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medseg.errors import UserError
from medseg.io import read_json

from .convert.records import ConversionError
from .splitting import group_features, parts_of, stratified_split, subset_sizes

#: File beside ``annotations/`` that says how the folds were made.
MANIFEST = 'folds.json'


def fold_file(subset: str, fold: int) -> str:
    """Annotation file of a subset of a fold, below the data set's folder.

    Args:
        subset: ``train``, ``val`` or ``test``.
        fold: From 1.
    """
    return f'annotations/instances_{subset}_fold{fold}.json'


def fold_contents(content: Mapping[str, Any], keys: Sequence[str], folds: int,
                  ratios: Sequence[float], seed: int) -> list[dict[str, dict[str, Any]]]:
    """COCO content of train, val and test of each fold; images of a key stay together.

    The keys are shared among the folds, their numbers equal or one apart, images and classes as
    evenly as they allow; fold k tests its own. What is left is divided by the first two ratios.

    Args:
        content: What is split; it is not changed, but its annotations are shared.
        keys: Patient (or name) of each image.
        folds: At least 2.
        ratios: Of train, val and test; the last is not used.
        seed: Any non-negative integer.

    Raises:
        ConversionError: There are fewer keys than folds, or too few are left to train on.
    """
    unique = sorted(set(keys))
    if not 2 <= folds <= len(unique):
        raise ConversionError(f'--folds {folds}: must be between 2 and the number of patients (of '
                              f'images with --by image), {len(unique)}')
    number = {key: index for index, key in enumerate(unique)}
    features = group_features(content, [number[key] for key in keys])
    sizes = [len(unique) // folds + (k < len(unique) % folds) for k in range(folds)]
    labels = stratified_split(features, sizes, seed)
    found = []
    for fold in range(folds):
        rest = [index for index in range(len(unique)) if labels[index] != fold]
        parts = stratified_split(features[rest], subset_sizes(len(rest), ratios[:2]), seed)
        subset_of = dict.fromkeys(unique, 'test')
        subset_of.update({unique[index]: ('train', 'val')[part]
                          for index, part in zip(rest, parts, strict=True)})
        found.append(parts_of(content, [subset_of[key] for key in keys]))
    return found


def check_folds(root: Path, folds: int) -> None:
    """Stop before a training starts where a data set has no such folds.

    Args:
        root: Folder of the data set.
        folds: How many are wanted.

    Raises:
        UserError: There are none, or another number of them.
    """
    remedy = f'make them: python tools/data/split.py {root} {root} --folds {folds}'
    if not (root / MANIFEST).is_file():
        raise UserError(f'{root / MANIFEST}: no such file, so the set has no folds; {remedy}')
    there = len(read_json(root / MANIFEST)['folds'])
    if there != folds:
        raise UserError(f'{root / MANIFEST}: the set has {there} folds, not {folds}; ask for '
                        f'those, or {remedy} --overwrite')
