"""Accuracy of checkpoints: tested here, or taken from the results of trainings."""
from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from medseg.configs import evaluators
from medseg.errors import UserError
from medseg.io import read_json

from .result_cache import file_hash
from .training import Fleet, Run, evaluation, prepare

#: The report's figures (percent) and InstanceMetric's.
FIGURES = {
    f'{name}_{figure}': f'coco/{kind}_{key}'
    for name, kind in (('box', 'bbox'), ('mask', 'segm'))
    for figure, key in (('map', 'mAP'), ('map50', 'mAP_50'), ('precision', 'precision'),
                        ('recall', 'recall'), ('ar', 'AR@100'))}
_INTERVALS = {f'{name}_{figure}': (kind, key)
              for name, kind in (('box', 'bbox'), ('mask', 'segm'))
              for figure, key in (('map', 'mAP'), ('map50', 'mAP_50'))}


def annotation_hash(config: Config) -> str | None:
    """Hash of the test set's annotation file; None where it is not there."""
    for loader, metric in evaluators(config):
        if loader == 'test_dataloader' and Path(metric.get('ann_file') or '').is_file():
            return file_hash(metric['ann_file'])
    return None


def test(config: Config, checkpoint: str, folder: Path, device: str) -> dict[str, Any]:
    """Test a checkpoint with tools/test.py.

    Args:
        config (Config): Its config.
        checkpoint (str): The file, plain or fused.
        folder (Path): For logs and predictions.
        device (str): ``cpu`` or ``cuda:N``.

    Returns:
        dict: ``ok`` with :func:`figures` of one run, or ``error``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'config.py').unlink(missing_ok=True)  # the tool's own, of another call
    run = Run(folder.name, str(config.filename), 0, folder)
    prepare(run, config)
    fleet = Fleet(folder, device=device)
    try:
        fleet.call('test', folder / 'config.py', Path(checkpoint).resolve(), '--work-dir',
                   folder / 'test', log=folder / 'test.log')
        return {'ok': figures([evaluation(run, Config.fromfile(folder / 'config.py'))])}
    except RuntimeError as error:
        return {'error': str(error)}


def figures(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The report's accuracy of one model over its seeds.

    Args:
        runs (Sequence[dict]): What :func:`.training.evaluation` gave for each, or the finished
            runs of a ``results.json``.

    Returns:
        dict: By figure (``mask_map50`` ..., percent) the mean over seeds; ``intervals``, of the
        first run, percent; ``seeds``, how many; ``spread``, the standard deviation over seeds;
        ``resampled``; ``per_class`` mask AP; ``precision_recall`` and ``curves`` of the first.
    """
    result: dict[str, Any] = dict(seeds=len(runs), spread={}, intervals={}, per_class={})
    for name, key in FIGURES.items():
        values = [100 * run['metrics'][key] for run in runs
                  if run['metrics'].get(key) is not None and run['metrics'][key] >= 0]
        if values:
            result[name] = round(statistics.fmean(values), 3)
            if len(values) > 1:
                result['spread'][name] = round(statistics.stdev(values), 3)
    first = runs[0]
    for name, (kind, key) in _INTERVALS.items():
        if key in first.get('intervals', {}).get(kind, {}):
            result['intervals'][name] = [round(100 * v, 3) for v in first['intervals'][kind][key]]
    for key, value in first['metrics'].items():
        label = key.removeprefix('coco/segm_')
        if key.startswith('coco/segm_') and label.endswith('_mAP') and value is not None \
                and label.removesuffix('_mAP') not in ('boundary',):
            result['per_class'][label.removesuffix('_mAP')] = round(100 * value, 3)
    for key in ('resampled', 'precision_recall', 'curves'):
        if first.get(key):
            result[key] = first[key]
    return result


def tested_runs(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Finished runs of a ``results.json``; folds count where they are whole, as one run."""
    return [run for run in content['runs'] if run['status'] == 'finished'
            and run.get('fold') is None] + content.get('pooled', [])


def join_results(rows: Iterable[dict[str, Any]], files: Sequence[Path]) -> list[str]:
    """Add the accuracy of trainings to rows of the same config, in place.

    Args:
        rows: The report's rows.
        files: ``results.json`` of ``--train``; later ones win.

    Returns:
        list[str]: Configs of the files that no row has.

    Raises:
        UserError: A file is no such file.
    """
    found: dict[str, list[dict]] = {}
    for path in files:
        content = read_json(path)
        if 'runs' not in content:
            raise UserError(f'{path}: is not a results.json of tools/benchmark.py --train')
        fresh: dict[str, list[dict]] = {}
        for run in tested_runs(content):
            if not run.get('variant'):  # a row is a config as it is
                fresh.setdefault(Path(run['config']).name, []).append(run)
        found.update(fresh)
    used = set()
    for row in rows:
        name = Path(row['config']).name
        if name in found and not row.get('accuracy'):
            runs = found[name]
            row['accuracy'] = dict(figures(runs), training=runs[0]['settings'],
                                   train_minutes=round(statistics.fmean(
                                       run['train_minutes'] for run in runs), 2))
            row.setdefault('parameters', runs[0].get('parameters'))
            used.add(name)
    return sorted(set(found) - used)
