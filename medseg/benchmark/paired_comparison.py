"""Models side by side on one test set, from their prediction files: figures and differences."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from medseg.configs import evaluators
from medseg.errors import UserError
from medseg.io import read_json
from medseg.metrics.bootstrap import RESAMPLES, draws, interval
from medseg.metrics.instance_matches import match, read_truth
from medseg.tables import markdown

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
    """

    label: str
    ann_file: Path
    prefix: Path
    max_dets: int = 100
    parameters: int | None = None


def trained_runs(results: Path) -> list[Predictions]:
    """The finished runs of a ``results.json`` of ``tools/benchmark.py --train``.

    The label is the config's name, with the seed where there are several.

    Raises:
        UserError: It is no such file, or a run's folder is not beside it.
    """
    content = read_json(results)
    if 'runs' not in content:
        raise UserError(f'{results}: is not a results.json of tools/benchmark.py --train')
    runs = [run for run in content['runs'] if run['status'] == 'finished']
    stems = [Path(run['config']).stem for run in runs]
    found = []
    for run, stem in zip(runs, stems, strict=True):
        folder = results.parent / 'train' / run['name']
        if not (folder / 'config.py').is_file():
            raise UserError(f'{folder}: no config.py of the run {run["name"]}; keep the folder '
                            f'train/ beside {results.name}')
        config = Config.fromfile(folder / 'config.py')
        metric = next(m for loader, m in evaluators(config) if loader == 'test_dataloader')
        found.append(Predictions(
            stem if stems.count(stem) == 1 else f'{stem}, seed {run["seed"]}',
            Path(metric['ann_file']), folder / 'test' / 'predictions',
            metric.get('max_dets', 100), run.get('parameters')))
    return found


def compare(models: Sequence[Predictions], reference: str | None = None, tolerance: float = 3,
            resamples: int = RESAMPLES, report: Callable[[str], None] = lambda text: None) -> dict:
    """Figures of every model with intervals, and their differences from one of them.

    Args:
        models (Sequence[Predictions]): Predictions on one test set.
        reference (str, optional): Label of the model to compare with; None: no differences.
        tolerance (float): Of NSD, in pixels.
        resamples (int): Bootstrap draws, of patients where the ground truth tells them.
        report (Callable): Gets a line when a model is done.

    Returns:
        dict: ``unit`` (``patient`` or ``image``), ``resamples``, ``tolerance_px``, ``reference``
        and ``rows``, each with ``label``, ``parameters``, ``figures``, ``intervals``,
        ``differences`` and ``difference_intervals`` by heading of :data:`FIGURES`, fractions.

    Raises:
        UserError: Files are missing, the models were tested on different sets, or there is no
            such reference.
    """
    labels = [model.label for model in models]
    if reference is not None and reference not in labels:
        raise UserError(f'no model {reference!r} to compare with; there are: {", ".join(labels)}')
    if len({model.ann_file.resolve() for model in models}) != 1:
        raise UserError('the models were tested on different sets: '
                        + ', '.join(sorted({str(model.ann_file) for model in models})))
    truth = read_truth(models[0].ann_file, need_masks=True)
    rows, sampled, unit = [], {}, 'image'
    for model in models:
        figures, drawn = {}, {}
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
            for heading, of_kind, figure in FIGURES:
                if of_kind == kind:
                    figures[heading], drawn[heading] = whole[figure], samples[figure]
        sampled[model.label] = drawn
        rows.append(dict(
            label=model.label, parameters=model.parameters, figures=figures,
            intervals={heading: interval(values) for heading, values in drawn.items()}))
        report(f'{model.label}: mask mAP {figures["mask mAP"]:.3f}')
    if reference is not None:
        base = rows[labels.index(reference)]['figures']
        for row in rows:
            row['differences'] = {h: row['figures'][h] - base[h] for h in base}
            row['difference_intervals'] = {
                h: interval(sampled[row['label']][h] - sampled[reference][h]) for h in base}
    return dict(unit=unit, resamples=resamples, tolerance_px=tolerance, reference=reference,
                rows=rows)


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
