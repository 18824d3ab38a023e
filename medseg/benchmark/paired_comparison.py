"""Models side by side on one test set, from their prediction files: figures and differences."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.config import Config

from medseg.configs import evaluators
from medseg.errors import UserError
from medseg.io import read_json
from medseg.metrics.bootstrap import RESAMPLES, draws, interval
from medseg.metrics.instance_matches import match, read_truth
from medseg.tables import markdown

from .accuracy import tested_runs
from .result_cache import file_hash

#: Columns of the table: heading, what is matched, figure of ``Matches.figures``.
FIGURES = (('box mAP', 'bbox', 'mAP'), ('mask mAP', 'segm', 'mAP'),
           ('mask mAP50', 'segm', 'mAP_50'), ('boundary mAP', 'boundary', 'mAP'),
           ('NSD', 'segm', 'nsd'), ('NSD, all', 'segm', 'nsd_all'))


@dataclass(frozen=True)
class Predictions:
    """Predictions of one model on a test set.

    Attributes:
        label (str): Its name in the table.
        ann_file (Path): Ground truth.
        prefix (Path): Prefix of the files, ``{prefix}.bbox.json`` and ``{prefix}.segm.json``.
        max_dets (int): Detections an image and class that count.
        parameters (int | None): Of the model as trained.
        model (str): What its other seeds are called as well; by default ``label``.
    """

    label: str
    ann_file: Path
    prefix: Path
    max_dets: int = 100
    parameters: int | None = None
    model: str = ''

    @property
    def family(self) -> str:
        """Name that all seeds of the model share."""
        return self.model or self.label


def trained_runs(results: Path) -> list[Predictions]:
    """The finished runs of a ``results.json`` of ``tools/benchmark.py --train``.

    The label is the config's name, with the seed where there are several. Folds are one run, over
    all patients, where all of them are finished.

    Raises:
        UserError: It is no such file, or a run's folder is not beside it.
    """
    content = read_json(results)
    if 'runs' not in content:
        raise UserError(f'{results}: is not a results.json of tools/benchmark.py --train')
    runs = tested_runs(content)
    stems = [', '.join(filter(None, (Path(run['config']).stem, run.get('variant'))))
             for run in runs]
    found = []
    for run, stem in zip(runs, stems, strict=True):
        label = stem if stems.count(stem) == 1 else f'{stem}, seed {run["seed"]}'
        if 'folds' in run:
            folder = results.parent / 'pooled' / run['name']
            found.append(Predictions(
                label, folder / 'instances_test.json', folder / 'predictions',
                run['metric'].get('max_dets', 100), run.get('parameters'), stem))
            continue
        folder = results.parent / 'train' / run['name']
        if not (folder / 'config.py').is_file():
            raise UserError(f'{folder}: no config.py of the run {run["name"]}; keep the folder '
                            f'train/ beside {results.name}')
        config = Config.fromfile(folder / 'config.py')
        metric = next(m for loader, m in evaluators(config) if loader == 'test_dataloader')
        found.append(Predictions(label, Path(metric['ann_file']), folder / 'test' / 'predictions',
                                 metric.get('max_dets', 100), run.get('parameters'), stem))
    return found


def _content(path: Path) -> str:
    """What tells test sets apart: folds write the same one into several folders."""
    return file_hash(path) if path.is_file() else str(path)


def compare(models: Sequence[Predictions], reference: str | None = None, tolerance: float = 3,
            resamples: int = RESAMPLES, report: Callable[[str], None] = lambda text: None,
            kinds: Sequence[str] | None = None) -> dict:
    """Figures of every model with intervals, and their differences from one of them.

    Args:
        models (Sequence[Predictions]): Predictions on one test set.
        reference (str, optional): Label of the model to compare with; None: no differences.
        tolerance (float): Of NSD, in pixels.
        resamples (int): Bootstrap draws, of patients where the ground truth tells them.
        report (Callable): Gets a line when a model is done.
        kinds (Sequence[str], optional): What kind of image each is, by rising image id: figures
            are also given for each kind, at the best-F1 confidence of the whole set.

    Returns:
        dict: ``unit`` (``patient`` or ``image``), ``resamples``, ``tolerance_px``, ``reference``,
        with ``kinds`` the number of images of each, and ``rows``, each with ``label``,
        ``parameters``, ``figures``, ``intervals``, ``differences``, ``difference_intervals`` and,
        with ``kinds``, ``by_kind``, by heading of :data:`FIGURES`, fractions.

    Raises:
        UserError: Files are missing, the models were tested on different sets, or there is no
            such reference.
    """
    labels = [model.label for model in models]
    if reference is not None and reference not in labels:
        raise UserError(f'no model {reference!r} to compare with; there are: {", ".join(labels)}')
    if not models:
        raise UserError('there is no finished run to compare; folds count when all are finished')
    if len({_content(model.ann_file) for model in models}) != 1:
        raise UserError('the models were tested on different sets: '
                        + ', '.join(sorted({str(model.ann_file) for model in models})))
    truth = read_truth(models[0].ann_file, need_masks=True)
    rows, sampled, unit = [], {}, 'image'
    for model in models:
        figures, drawn, by_kind = {}, {}, {name: {} for name in sorted(set(kinds or ()))}
        for kind in ('bbox', 'segm', 'boundary'):
            path = model.prefix.with_name(
                f'{model.prefix.name}.{"bbox" if kind == "bbox" else "segm"}.json')
            if not path.is_file():
                raise UserError(f'{path}: no such file; predictions of {model.label} are written '
                                'by InstanceMetric with outfile_prefix')
            matches = match(truth, read_json(path), kind, model.max_dets,
                            tolerance if kind == 'segm' else None)
            unit = matches.unit
            whole, samples = matches.figures(), draws(matches.figures, matches.groups, resamples)
            parts = {name: matches.figures(np.array([k == name for k in kinds], int))
                     for name in by_kind}
            for heading, of_kind, figure in FIGURES:
                if of_kind == kind:
                    figures[heading], drawn[heading] = whole[figure], samples[figure]
                    for name, part in parts.items():
                        by_kind[name][heading] = part[figure]
        sampled[model.label] = drawn
        rows.append(dict(
            label=model.label, parameters=model.parameters, figures=figures,
            intervals={heading: interval(values) for heading, values in drawn.items()}))
        if kinds:
            rows[-1]['by_kind'] = {name: {h: None if np.isnan(v) else v for h, v in part.items()}
                                   for name, part in by_kind.items()}
        report(f'{model.label}: mask mAP {figures["mask mAP"]:.3f}')
    if reference is not None:
        base = rows[labels.index(reference)]['figures']
        for row in rows:
            row['differences'] = {h: row['figures'][h] - base[h] for h in base}
            row['difference_intervals'] = {
                h: interval(sampled[row['label']][h] - sampled[reference][h]) for h in base}
    found = dict(unit=unit, resamples=resamples, tolerance_px=tolerance, reference=reference,
                 rows=rows)
    if kinds:
        found['kinds'] = {name: list(kinds).count(name) for name in sorted(set(kinds))}
    return found


def _cell(value: float, ends: Sequence[float] | None, form: str) -> str:
    text = f'{100 * value:{form}}'
    if ends:
        text += f' ({100 * ends[0]:{form}} to {100 * ends[1]:{form}})'
    return text


def table(comparison: dict) -> str:
    """Two Markdown tables in percent: the figures, and the differences from the reference."""
    rows, headings = comparison['rows'], [heading for heading, _, _ in FIGURES]
    parts = [markdown(['model', 'parameters', *headings], [
        [row['label'], f'{row["parameters"]:,}' if row['parameters'] else '',
         *(_cell(row['figures'][h], row['intervals'][h], '.1f') for h in headings)]
        for row in rows])]
    if comparison['reference'] is not None:
        others = [row for row in rows if row['label'] != comparison['reference']]
        parts.append(markdown([f'less {comparison["reference"]}', *headings], [
            [row['label'], *(_cell(row['differences'][h], row['difference_intervals'][h], '+.1f')
                             for h in headings)] for row in others]))
    parts.append(
        f'Percent; in brackets 95 % intervals by bootstrap over the {comparison["unit"]}s of the '
        f'test set ({comparison["resamples"]} draws, the same for all models). NSD at '
        f'{comparison["tolerance_px"]:g} px.')
    return '\n\n'.join(parts)


def kind_table(comparison: dict) -> str:
    """Markdown in percent: every model on each kind of image."""
    headings = [heading for heading, _, _ in FIGURES]
    rows = [[name, str(count), row['label'],
             *('-' if row['by_kind'][name][h] is None else f'{100 * row["by_kind"][name][h]:.1f}'
               for h in headings)]
            for name, count in comparison['kinds'].items() for row in comparison['rows']]
    return markdown(['images', 'number', 'model', *headings], rows)
