"""Models side by side by the areas of their classes: semantic models and unions of instances."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO

from medseg.data.patients import patient_groups
from medseg.errors import UserError
from medseg.io import read_json
from medseg.metrics.bootstrap import RESAMPLES, interval
from medseg.metrics.instance_matches import read_truth
from medseg.metrics.permutation import PERMUTATIONS, exchange_p, holm
from medseg.metrics.semantic_scores import FIGURES, mean_over_classes, weighted_means
from medseg.metrics.semantic_table import SemanticTable, best_threshold, score_areas
from medseg.tables import markdown

HEADINGS = {'dice': 'Dice', 'iou': 'IoU', 'hd95': 'HD95, px', 'nsd': 'NSD'}
#: Kinds of prediction files, and whether their records have scores to choose a threshold for.
_KINDS = {'semantic': False, 'segm': True}


@dataclass(frozen=True)
class AreaPredictions:
    """Predictions of one model.

    Attributes:
        label (str): Its name in the table.
        prefix (Path): ``{prefix}.semantic.json`` of ``SemanticMetric``, or ``{prefix}.segm.json``
            of ``InstanceMetric``.
        val_prefix (Path, optional): The same of the validation images, on which the score
            threshold of instances is chosen.
    """

    label: str
    prefix: Path
    val_prefix: Path | None = None


def _file(prefix: Path, label: str) -> tuple[Path, bool]:
    """The prediction file of a prefix, and whether it holds instances with scores."""
    for kind, scored in _KINDS.items():
        path = prefix.with_name(f'{prefix.name}.{kind}.json')
        if path.is_file():
            return path, scored
    raise UserError(f'{prefix}.semantic.json: no such file, nor .segm.json; predictions of {label} '
                    'are written by SemanticMetric or InstanceMetric with outfile_prefix')


def _table(coco: COCO, path: Path, threshold: float, tolerance: float) -> SemanticTable:
    return score_areas(coco, read_json(path), cat_ids=coco.getCatIds(), img_ids=coco.getImgIds(),
                       source=str(path), score_thr=threshold, tolerance=tolerance)


def chosen_threshold(model: AreaPredictions, val_ann: Path | None) -> float:
    """The score from which a model's instances count: 0 for areas, else chosen on validation.

    Raises:
        UserError: There are no validation predictions to choose on.
    """
    path, scored = _file(model.prefix, model.label)
    if not scored:
        return 0.0
    if model.val_prefix is None or val_ann is None:
        raise UserError(f'{path}: holds instances with scores; give the predictions of the '
                        f'validation images to choose a threshold on: --val "{model.label}=PREFIX" '
                        '--val-ann FILE')
    coco = read_truth(val_ann, need_masks=True)
    val_path, _ = _file(model.val_prefix, model.label)
    return best_threshold(coco, read_json(val_path), cat_ids=coco.getCatIds(),
                          img_ids=coco.getImgIds(), source=str(val_path))[0]


def area_intervals(ann_file: str | Path, predictions: str | Path, score_thr: float = 0.0,
                   tolerance: float = 3, resamples: int = RESAMPLES) -> dict:
    """95 % intervals of the mean over classes of every figure, by drawing patients.

    Returns:
        dict: ``intervals``, by figure, and ``resampled``, ``patient`` or ``image``.
    """
    coco = read_truth(ann_file, need_masks=True)
    table = _table(coco, Path(predictions), score_thr, tolerance)
    groups, unit = patient_groups([coco.imgs[i] for i in coco.getImgIds()])
    found = {name: interval(table.draws(name, groups, resamples)) for name in FIGURES}
    return dict(intervals={name: ends for name, ends in found.items() if ends is not None},
                resampled=unit)


def compare_areas(models: Sequence[AreaPredictions], ann_file: Path, val_ann: Path | None = None,
                  reference: str | None = None, tolerance: float = 3, resamples: int = RESAMPLES,
                  report: Callable[[str], None] = lambda text: None,
                  tested: Sequence[str] = (), permutations: int = PERMUTATIONS) -> dict:
    """Figures of every model with intervals, and their differences from one of them.

    Args:
        models (Sequence[AreaPredictions]): Predictions on one test set.
        ann_file (Path): Its annotation file.
        val_ann (Path, optional): That of the validation images.
        reference (str, optional): Label of the model to compare with.
        tolerance (float): Of NSD, in pixels.
        resamples (int): Bootstrap draws, of patients where the ground truth tells them.
        report (Callable): Gets a line when a model is done.
        tested (Sequence[str]): Figures whose differences are tested by exchanging the models
            patient by patient (:func:`.exchange_p`), with Holm's correction over all of them.
        permutations (int): See :func:`.exchange_p`.

    Returns:
        dict: ``unit``, ``groups`` (how many there are), ``resamples``, ``tolerance_px``,
        ``classes``, ``reference``, ``tested``, ``permutations`` and ``rows``,
        each with ``label``, ``score_thr``, ``figures``, ``per_patient`` and ``intervals`` by
        figure, ``dice`` by class, ``differences``, ``difference_intervals`` and, by
        tested figure, ``p`` and ``p_holm``.

    Raises:
        UserError: Files are missing, or there is no such reference.
    """
    labels = [model.label for model in models]
    if reference is not None and reference not in labels:
        raise UserError(f'no model {reference!r} to compare with; there are: {", ".join(labels)}')
    coco = read_truth(ann_file, need_masks=True)
    groups, unit = patient_groups([coco.imgs[i] for i in coco.getImgIds()])
    rows, sampled, classes, values = [], {}, (), {}
    for model in models:
        threshold = chosen_threshold(model, val_ann)
        table = _table(coco, _file(model.prefix, model.label)[0], threshold, tolerance)
        classes = table.classes
        drawn = {name: table.draws(name, groups, resamples) for name in FIGURES}
        sampled[model.label], values[model.label] = drawn, table.values
        rows.append(dict(
            label=model.label, score_thr=threshold,
            figures={name: table.mean(name) for name in FIGURES},
            per_patient={name: table.mean(name, groups) for name in FIGURES},
            intervals={name: interval(values) for name, values in drawn.items()},
            dice=table.per_class('dice').tolist()))
        report(f'{model.label}: Dice {rows[-1]["figures"]["dice"]:.4f}')
    if reference is not None:
        base = rows[labels.index(reference)]['figures']
        for row in rows:
            own = sampled[row['label']]
            row['differences'] = {name: row['figures'][name] - base[name] for name in FIGURES}
            row['difference_intervals'] = {
                name: interval(own[name] - sampled[reference][name]) for name in FIGURES}
    if reference is not None and tested:
        others = [row for row in rows if row['label'] != reference]
        for row in others:
            row['p'] = {name: exchange_p(
                _exchanged(values[reference][name], values[row['label']][name], groups),
                int(groups.max(initial=-1)) + 1, permutations) for name in tested}
        corrected = iter(holm([value for row in others for value in row['p'].values()]))
        for row in others:
            row['p_holm'] = {name: next(corrected) for name in tested}
    return dict(unit=unit, groups=int(groups.max(initial=-1)) + 1, resamples=resamples,
                tolerance_px=tolerance, classes=list(classes), reference=reference,
                tested=list(tested), permutations=permutations, rows=rows)


def _exchanged(first: np.ndarray, second: np.ndarray, groups: np.ndarray
               ) -> Callable[[np.ndarray], float]:
    """From the patients that change places to the second's mean less the first's."""
    def mean(values: np.ndarray) -> float:
        return float(mean_over_classes(weighted_means(values, np.ones(len(values)))))

    def difference(swapped: np.ndarray) -> float:
        turned = swapped[groups][:, None]
        return mean(np.where(turned, first, second)) - mean(np.where(turned, second, first))

    return difference


def _cell(name: str, value: float, ends: tuple[float, float] | None, sign: str = '') -> str:
    """Percent, or pixels for a distance; '-' where undefined."""
    if np.isnan(value):
        return '-'
    factor = 1 if name == 'hd95' else 100
    text = f'{factor * value:{sign}.1f}'
    if ends is not None:
        text += f' ({factor * ends[0]:{sign}.1f} to {factor * ends[1]:{sign}.1f})'
    return text


def area_tables(comparison: dict) -> str:
    """Markdown: the figures with the Dice of each class, and the differences."""
    rows, classes = comparison['rows'], comparison['classes']
    several = len(classes) > 1
    heads = [HEADINGS[name] for name in FIGURES]
    header = ['model', 'score from', *heads, 'Dice per patient',
              *([f'Dice, {name}' for name in classes] if several else [])]
    parts = [markdown(header, [
        [row['label'], f'{row["score_thr"]:g}' if row['score_thr'] else '',
         *(_cell(name, row['figures'][name], row['intervals'][name]) for name in FIGURES),
         _cell('dice', row['per_patient']['dice'], None),
         *([_cell('dice', value, None) for value in row['dice']] if several else [])]
        for row in rows])]
    reference = comparison['reference']
    if reference is not None:
        parts.append(markdown([f'less {reference}', *heads], [
            [row['label'], *(_cell(name, row['differences'][name],
                                   row['difference_intervals'][name], '+') for name in FIGURES)]
            for row in rows if row['label'] != reference]))
        if comparison['tested']:
            parts.append(_test_table(comparison))
    parts.append(
        f'Percent, HD95 in pixels; means over images, then classes; in brackets 95 % intervals by '
        f'bootstrap over the {comparison["unit"]}s of the test set ({comparison["resamples"]} '
        f'draws, the same for all models). NSD at {comparison["tolerance_px"]:g} px. "Score from": '
        'unions of instances, the threshold chosen on the validation images.')
    return '\n\n'.join(parts)


def _test_table(comparison: dict) -> str:
    others = [row for row in comparison['rows'] if row['label'] != comparison['reference']]
    count = len(others) * len(comparison['tested'])
    return markdown(
        [f'p, two-sided: {comparison["reference"]} and', 'figure', 'p', f'p, Holm ({count} tests)',
         f'{comparison["unit"]}s'],
        [[row['label'], HEADINGS[name], f'{row["p"][name]:.4f}', f'{row["p_holm"][name]:.4f}',
          str(comparison['groups'])] for row in others for name in comparison['tested']], words=2)
