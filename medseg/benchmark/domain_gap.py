"""What a model loses on data that differ from its own: other optics, anatomies, hospitals."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config

from medseg.configs import datasets, evaluators
from medseg.errors import UserError
from medseg.io import read_json
from medseg.metrics.bootstrap import RESAMPLES, draws, interval
from medseg.metrics.instance_matches import match, read_truth
from medseg.metrics.permutation import over_seeds
from medseg.tables import markdown

from .accuracy import test
from .paired_comparison import Predictions, trained_runs

#: Columns: heading, kind of matching, figure.
FIGURES = (('box mAP', 'bbox', 'mAP'), ('mask mAP', 'segm', 'mAP'),
           ('mask mAP50', 'segm', 'mAP_50'))


def set_test_set(config: Config, ann_file: Path, images: Path) -> None:
    """Test on other files, in place; pipeline and metric stay."""
    for dataset in datasets(config, 'test_dataloader'):
        dataset.update(data_root='', ann_file=str(ann_file.resolve()),
                       data_prefix=dict(dataset.get('data_prefix') or {},
                                        img=f'{images.resolve()}/'))
    for loader, metric in evaluators(config):
        if loader == 'test_dataloader' and metric.get('ann_file'):
            metric.ann_file = str(ann_file.resolve())


def predict(results: Path, name: str, ann_file: Path, images: Path, out: Path, device: str,
            report: Callable[[str], None] = lambda text: None) -> list[Predictions]:
    """Predictions of all finished trainings on another set, made where they are missing.

    Args:
        results (Path): ``results.json`` of ``tools/benchmark.py --train`` without folds.
        name (str): Of the set; part of the folders' names.
        ann_file, images (Path): The set.
        out (Path): Gets ``NAME/RUN/test/predictions.*``.
        device (str): ``cpu`` or ``cuda:N``.
        report (Callable): Gets a line when a run is done.

    Raises:
        UserError: A run's checkpoint is gone, or its test failed.
    """
    found = []
    runs = [run for run in read_json(results)['runs']
            if run['status'] == 'finished' and run.get('fold') is None]
    for model, run in zip(trained_runs(results), runs, strict=False):
        folder = out / name / run['name']
        prefix = folder / 'test' / 'predictions'
        mark = folder / 'checkpoint.txt'
        done = mark.is_file() and mark.read_text() == f'{run["checkpoint"]}\n{ann_file.resolve()}'
        if not done:
            if not Path(run['checkpoint']).is_file():
                raise UserError(f'{run["checkpoint"]}: the checkpoint of {run["name"]} is gone; '
                                'train it again, or take it out of the results')
            config = Config.fromfile(results.parent / 'train' / run['name'] / 'config.py')
            set_test_set(config, ann_file, images)
            answer = test(config, run['checkpoint'], folder, device)
            if 'error' in answer:
                raise UserError(f'{run["name"]} on {name}: the test failed; {folder}/test.log '
                                f'says: {answer["error"][-400:]}')
            mark.write_text(f'{run["checkpoint"]}\n{ann_file.resolve()}')
        found.append(Predictions(model.label, ann_file, prefix, model.max_dets, model.parameters,
                                 model.family))
        report(f'{model.label}: predicted on {name}' + (' before' if done else ''))
    return found


def _scored(model: Predictions, resamples: int, seed: int) -> dict[str, tuple[float, np.ndarray]]:
    """By heading the figure and its draws."""
    truth, found = read_truth(model.ann_file, need_masks=True), {}
    for kind in ('bbox', 'segm'):
        path = model.prefix.with_name(f'{model.prefix.name}.{kind}.json')
        matches = match(truth, read_json(path), kind, model.max_dets)
        whole = matches.figures()
        drawn = draws(matches.figures, matches.groups, resamples, seed)
        found.update({heading: (whole[figure], drawn[figure])
                      for heading, of_kind, figure in FIGURES if of_kind == kind})
    return found


def gaps(own: Sequence[Predictions], others: Mapping[str, Sequence[Predictions]],
         resamples: int = RESAMPLES) -> dict:
    """Figures on the models' own test set, on others, and the differences.

    The sets have different patients, so their draws are independent; the seeds of a model are the
    same trainings on both sets and are drawn together.

    Args:
        own (Sequence[Predictions]): On the test set of the training's own kind.
        others (Mapping): By name of the set, predictions of the same trainings in the same order.
        resamples (int): Bootstrap draws.

    Returns:
        dict: ``resamples``, ``sets`` and ``rows``: ``label``, ``seeds``, ``set`` (None: its own),
        ``figures``, ``intervals``, and of other sets ``gaps`` and ``gap_intervals`` (other less
        own), by heading of :data:`FIGURES`, fractions.
    """
    families: dict[str, list[int]] = {}
    for index, model in enumerate(own):
        families.setdefault(model.family, []).append(index)
    rows = []
    for label, members in families.items():
        base: dict[str, tuple[float, np.ndarray]] = {}
        for number, (name, models) in enumerate([(None, own), *others.items()]):
            scored = [_scored(models[index], resamples, number) for index in members]
            row = dict(label=label, seeds=len(members), set=name, figures={}, intervals={})
            for heading, *_ in FIGURES:
                value = float(np.mean([one[heading][0] for one in scored]))
                drawn = over_seeds([one[heading][1] for one in scored])
                row['figures'][heading], row['intervals'][heading] = value, interval(drawn)
                if name is None:
                    base[heading] = value, drawn
                else:
                    row.setdefault('gaps', {})[heading] = value - base[heading][0]
                    row.setdefault('gap_intervals', {})[heading] = interval(
                        drawn - base[heading][1])
            rows.append(row)
    return dict(resamples=resamples, sets=list(others), rows=rows)


def gap_table(found: dict) -> str:
    """Markdown in percent and points."""
    def cell(value: float, ends: Sequence[float] | None, form: str) -> str:
        text = f'{100 * value:{form}}'
        return text + (f' ({100 * ends[0]:{form}} to {100 * ends[1]:{form}})' if ends else '')

    header, rows = ['model', 'test set', 'seeds'], []
    for heading, *_ in FIGURES:
        header += [heading, 'gap']
    for row in found['rows']:
        cells = [row['label'], row['set'] or 'its own', str(row['seeds'])]
        for heading, *_ in FIGURES:
            cells.append(cell(row['figures'][heading], row['intervals'][heading], '.1f'))
            cells.append(cell(row['gaps'][heading], row['gap_intervals'][heading], '+.1f')
                         if 'gaps' in row else '')
        rows.append(cells)
    return (f'{markdown(header, rows, words=2)}\n\nPercent, gaps in points (the other set less its '
            'own); in brackets 95 % intervals by bootstrap over patients, then seeds '
            f'({found["resamples"]} draws; the patients of two sets are drawn independently).')
