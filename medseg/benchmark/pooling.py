"""Folds put together: every patient tested once, by a model that never saw them.

The test parts of K folds are disjoint and hold the whole set, so the predictions of the K models
of one seed are scored like one model's on all patients. Average precision then ranks detections of
K models by their scores; a model whose scores are higher than its fellows' costs the pooled figure
a little, as it would in use.
"""
from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from medseg.configs import evaluators
from medseg.errors import UserError
from medseg.io import read_json, write_json
from medseg.metrics.bootstrap import RESAMPLES
from medseg.metrics.instance_matches import read_truth
from medseg.metrics.instance_scores import score_instances
from medseg.metrics.semantic_scores import FIGURES as AREA_FIGURES
from medseg.metrics.semantic_table import score_areas
from medseg.tables import markdown

from .ensemble import fuse_files
from .training import Run, intervals

#: Figures of the table: heading, kind and figure of the intervals, key of the metrics.
FIGURES = (('box mAP', 'bbox', 'mAP', 'coco/bbox_mAP'),
           ('mask mAP', 'segm', 'mAP', 'coco/segm_mAP'),
           ('mask mAP50', 'segm', 'mAP_50', 'coco/segm_mAP_50'),
           ('Dice', 'semantic', 'dice', 'semantic/dice'))
#: Settings of a metric that say what is counted.
_SETTINGS = ('max_dets', 'boundary', 'nsd_tolerance_px', 'score_thr')


def join_truths(files: Sequence[Path], target: Path) -> None:
    """Write one annotation file of several whose images and annotations are disjoint.

    Raises:
        UserError: An image is in two of them, or their categories differ.
    """
    joined: dict[str, Any] = {}
    seen: dict[Any, Path] = {}
    for path in files:
        content = read_json(path)
        if not joined:
            joined = dict(content, images=[], annotations=[])
        elif content['categories'] != joined['categories']:
            raise UserError(f'{path}: its categories differ from those of {files[0]}; make the '
                            'folds anew with tools/data/split.py --folds')
        for image in content['images']:
            if image['id'] in seen:
                raise UserError(f'{path}: image {image["file_name"]} is in {seen[image["id"]]} '
                                'too, so it would be tested twice; make the folds anew with '
                                'tools/data/split.py --folds')
            seen[image['id']] = path
        joined['images'] += content['images']
        joined['annotations'] += content['annotations']
    write_json(target, joined)


def pool(out: Path, runs: Sequence[Run], folds: int, ensemble: bool = False,
         report: Callable[[str], None] = lambda text: None) -> list[dict[str, Any]]:
    """Score the folds of each config and seed together, where all of them are finished.

    ``OUT/pooled/NAME/`` gets ``instances_test.json``, the predictions and ``run.json``; what is
    there already is read. Those of earlier calls with the same settings are among the results.

    Args:
        out (Path): The benchmark's folder.
        runs (Sequence[Run]): All runs of this call, with their results.
        folds (int): How many make a whole.
        ensemble (bool): Also fuse the seeds of each config; see :mod:`.ensemble`.
        report (Callable): Gets a line for each that is put together.

    Returns:
        list[dict]: As the runs of ``results.json``, with ``folds``, the metrics of each fold, and
        ``fold`` None.
    """
    whole: dict[str, list[Run]] = {}
    for run in runs:
        if run.result and run.result['status'] == 'finished':
            whole.setdefault(run.pooled_name, []).append(run)
    found = [_pooled(out / 'pooled' / name, name, members, report)
             for name, members in whole.items() if len(members) == folds]
    if ensemble:
        families: dict[tuple[str, str], list[dict]] = {}
        for result in found:
            families.setdefault((result['config'], result['variant']), []).append(result)
        found += [_fused(out / 'pooled', members, report) for members in families.values()
                  if len(members) > 1]
    names, settings = {result['name'] for result in found}, [run.settings for run in runs]
    earlier = [read_json(path) for path in sorted((out / 'pooled').glob('*/run.json'))
               if path.parent.name not in names]
    return found + [result for result in earlier if result['settings'] in settings
                    and (ensemble or result['seed'] is not None)]


def _pooled(folder: Path, name: str, runs: Sequence[Run], report: Callable[[str], None]) -> dict:
    checkpoints = [run.result['checkpoint'] for run in runs]
    if (earlier := _earlier(folder, checkpoints)) is not None:
        return earlier
    metrics = [_test_metric(run) for run in runs]
    truth = folder / 'instances_test.json'
    join_truths([Path(metric['ann_file']) for metric in metrics], truth)
    for kind in ('bbox', 'segm', 'semantic'):
        parts = [run.predictions.with_name(f'predictions.{kind}.json') for run in runs]
        if all(path.is_file() for path in parts):
            write_json(folder / f'predictions.{kind}.json',
                       [record for path in parts for record in read_json(path)])
    result = dict(
        name=name, config=runs[0].config, seed=runs[0].seed, fold=None, status='finished',
        error='', settings=runs[0].settings, variant=runs[0].variant,
        parameters=runs[0].result['parameters'], checkpoints=checkpoints,
        train_minutes=round(sum(run.result['train_minutes'] for run in runs), 3),
        test_minutes=round(sum(run.result['test_minutes'] for run in runs), 3),
        folds=[run.result['metrics'] for run in runs],
        metric={key: metrics[0][key] for key in _SETTINGS if key in metrics[0]})
    _score(folder, result)
    report(f'{name}: {len(runs)} folds put together')
    return result


def _fused(pooled: Path, members: Sequence[dict], report: Callable[[str], None]) -> dict:
    """The seeds of a config as one model."""
    first = members[0]
    variant = ', '.join(filter(None, (first['variant'], f'ensemble of {len(members)} seeds')))
    name = first['name'].removesuffix(f'-seed{first["seed"]}') + f'-ensemble{len(members)}'
    checkpoints = [path for member in members for path in member['checkpoints']]
    folder = pooled / name
    if (earlier := _earlier(folder, checkpoints)) is not None:
        return earlier
    truth = folder / 'instances_test.json'
    write_json(truth, read_json(pooled / first['name'] / 'instances_test.json'))
    fuse_files(read_truth(truth, need_masks=True),
               [pooled / member['name'] / 'predictions' for member in members],
               folder / 'predictions', max_dets=first['metric'].get('max_dets', 100))
    result = dict(first, name=name, seed=None, variant=variant, checkpoints=checkpoints, folds=[],
                  parameters=sum(member['parameters'] for member in members))
    for key in ('train_minutes', 'test_minutes'):
        result[key] = round(sum(member[key] for member in members), 3)
    _score(folder, result)
    report(f'{name}: {len(members)} seeds fused')
    return result


def _earlier(folder: Path, checkpoints: Sequence[str]) -> dict | None:
    """A finished result of the same checkpoints."""
    if not (folder / 'run.json').is_file():
        return None
    found = read_json(folder / 'run.json')
    return found if found['checkpoints'] == list(checkpoints) else None


def _score(folder: Path, result: dict[str, Any]) -> None:
    """Add metrics and intervals, in place, and write ``run.json``."""
    metric = dict(result['metric'], ann_file=str(folder / 'instances_test.json'))
    result['metrics'] = scores(folder / 'instances_test.json', folder / 'predictions', metric)
    result.update(intervals(metric, folder / 'predictions'))
    write_json(folder / 'run.json', result)


def _test_metric(run: Run) -> dict[str, Any]:
    config = Config.fromfile(run.folder / 'config.py')
    return dict(next(m for loader, m in evaluators(config) if loader == 'test_dataloader'))


def scores(truth: Path, prefix: Path, metric: dict[str, Any]) -> dict[str, float | None]:
    """Metrics of prediction files by the keys of ``InstanceMetric`` and ``SemanticMetric``.

    Args:
        truth (Path): Annotation file.
        prefix (Path): Of the predictions.
        metric (dict): Settings of the metric: ``max_dets``, ``score_thr``, ``nsd_tolerance_px``.
    """
    coco, found = read_truth(truth, need_masks=True), {}
    ids = dict(cat_ids=coco.getCatIds(), img_ids=coco.getImgIds())
    for kind in ('bbox', 'segm'):
        path = prefix.with_name(f'{prefix.name}.{kind}.json')
        if path.is_file():
            table = score_instances(coco, read_json(path), kind, **ids,
                                    max_dets=metric.get('max_dets', 100),
                                    boundary=metric.get('boundary', False),
                                    nsd_tolerance=metric.get('nsd_tolerance_px', 3))
            found.update({f'coco/{kind}_{name}': value for name, value in table.overall.items()})
            found.update({f'coco/{kind}_{label.replace(" ", "_")}_{name}': float(values[i])
                          for name, values in table.per_class.items()
                          for i, label in enumerate(table.classes)})
    path = prefix.with_name(f'{prefix.name}.semantic.json')
    if path.is_file():
        areas = score_areas(coco, read_json(path), **ids, source=str(path),
                            score_thr=metric.get('score_thr', 0.0),
                            tolerance=metric.get('nsd_tolerance_px') or 3)
        found.update({f'semantic/{name}': areas.mean(name) for name in AREA_FIGURES})
    return {key: float(value) if np.isfinite(value) else None for key, value in found.items()}


def fold_table(pooled: Iterable[dict[str, Any]]) -> str:
    """Markdown: each model over folds and seeds.

    The figure of all patients (mean over seeds), its interval over patients (mean of the seeds'
    ends), its standard deviation over seeds, and that of the folds' own figures.
    """
    groups: dict[str, list[dict]] = {}
    for run in pooled:
        name = Path(run['config']).stem + (f', {run["variant"]}' if run['variant'] else '')
        groups.setdefault(name, []).append(run)
    shown = [item for item in FIGURES
             if any(run['metrics'].get(item[3]) is not None for runs in groups.values()
                    for run in runs)]
    rows = []
    for name, runs in groups.items():
        cells = [name, str(runs[0]['settings']['folds']), str(len(runs))]
        for _, kind, figure, key in shown:
            values = [run['metrics'][key] for run in runs if run['metrics'].get(key) is not None]
            ends = [run['intervals'][kind][figure] for run in runs
                    if figure in run['intervals'].get(kind, {})]
            parts = [fold[key] for run in runs for fold in run['folds']
                     if fold.get(key) is not None]
            cells += [_interval(values, ends), _spread(values), _spread(parts)]
        rows.append(cells)
    header = ['model', 'folds', 'seeds']
    for heading, *_ in shown:
        header += [heading, 'SD, seeds', 'SD, folds']
    unit = next((run.get('resampled') for runs in groups.values() for run in runs), 'image')
    return (f'{markdown(header, rows)}\n\nPercent, every {unit} tested once by models that did not '
            f'see it; mean over seeds. In brackets 95 % intervals by bootstrap over the {unit}s '
            f'({RESAMPLES} draws; mean of the ends over seeds). "SD, folds": of the figures of the '
            'single folds, which differ by their patients and their trainings alike.')


def _interval(values: Sequence[float], ends: Sequence[Sequence[float]]) -> str:
    if not values:
        return '-'
    text = f'{100 * statistics.fmean(values):.1f}'
    if ends:
        low, high = (100 * statistics.fmean(end[i] for end in ends) for i in (0, 1))
        text += f' ({low:.1f} to {high:.1f})'
    return text


def _spread(values: Sequence[float]) -> str:
    return f'{100 * statistics.stdev(values):.1f}' if len(values) > 1 else '-'
