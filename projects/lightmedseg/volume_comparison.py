"""Networks side by side on the same test cases: figures, and paired differences over patients."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from medseg.errors import UserError
from medseg.io import read_json
from medseg.metrics.bootstrap import RESAMPLES, draws, interval, mean_figures
from medseg.tables import markdown

from .region_scores import FIGURES
from .volume_metric import patient_means


def read_cases(path: Path) -> dict[str, dict]:
    """The cases that :class:`.volume_metric.VolumeMetric` wrote, by name.

    Args:
        path (Path): ``PREFIX.volumes.json``.

    Raises:
        UserError: Missing, no such file, a case twice, or a case without a figure.
    """
    records = read_json(path)
    if not isinstance(records, list) or not records:
        raise UserError(f'{path}: no list of cases; tools/test.py writes one with '
                        f'--cfg-options test_evaluator.outfile_prefix=PREFIX')
    cases: dict[str, dict] = {}
    for number, record in enumerate(records):
        missing = [key for key in ('case', 'patient', *FIGURES)
                   if not isinstance(record, dict) or key not in record]
        if missing:
            raise UserError(f'{path}: case {number} has no "{missing[0]}"; test again with this '
                            f'version')
        if record['case'] in cases:
            raise UserError(f'{path}: case {record["case"]} is there twice')
        cases[record['case']] = record
    return cases


def compare_volumes(runs: Mapping[str, Path], reference: str | None = None,
                    resamples: int = RESAMPLES, seed: int = 0) -> dict:
    """Figures of networks on one test set, with 95 % intervals over patients.

    The mean over a patient's cases comes first, then over patients, then over regions. The same
    patients are drawn for every network, so differences are paired.

    Args:
        runs (Mapping[str, Path]): By label a ``PREFIX.volumes.json``.
        reference (str, optional): Label of the network that the others are compared with.
        resamples, seed: See :func:`medseg.metrics.bootstrap.draws`.

    Returns:
        dict: ``regions``, ``patients``, ``reference`` and ``networks``: by label, by figure
        ``mean``, ``interval``, ``regions`` and, beside the reference, ``less``, ``less_interval``.

    Raises:
        UserError: The runs have not the same cases and regions, or the reference is none of them.
    """
    if reference is not None and reference not in runs:
        raise UserError(f'--reference {reference}: no --run has this label, but {", ".join(runs)}')
    tables = {label: read_cases(path) for label, path in runs.items()}
    first = next(iter(tables))
    names = sorted(tables[first])
    regions = list(tables[first][names[0]]['dice'])
    patients = [str(tables[first][name]['patient']) for name in names]
    for label, cases in tables.items():
        odd = sorted(set(cases) ^ set(names))
        if odd:
            raise UserError(f'{runs[label]}: has other cases than {runs[first]}, such as {odd[0]}; '
                            f'test both on one list')
        for name in names:
            for figure in FIGURES:
                if list(cases[name][figure]) != regions:
                    raise UserError(f'{runs[label]}: case {name} has other regions than '
                                    f'{runs[first]}: {", ".join(cases[name][figure])}')
    groups = np.arange(len(set(patients)))
    networks: dict[str, dict] = {label: {} for label in runs}
    for figure in FIGURES:
        drawn, means = {}, {}
        for label, cases in tables.items():
            values = np.array([[cases[name][figure][region] for region in regions]
                               for name in names], dtype=float)
            by_region = patient_means(values, patients)
            scores = mean_figures(dict(zip(regions, by_region.T, strict=True)))
            drawn[label] = np.nanmean(list(draws(scores, groups, resamples, seed).values()), axis=0)
            found = scores(np.ones(len(groups)))
            means[label] = float(np.nanmean(list(found.values())))
            networks[label][figure] = dict(mean=means[label], interval=interval(drawn[label]),
                                           regions=found)
        for label in runs:
            if reference is not None and label != reference:
                networks[label][figure].update(
                    less=means[label] - means[reference],
                    less_interval=interval(drawn[label] - drawn[reference]))
    return dict(regions=regions, patients=len(groups), reference=reference, networks=networks)


def comparison_table(comparison: Mapping) -> str:
    """The figures as a Markdown table; Dice and NSD in points of 100, HD95 in mm."""
    reference = comparison['reference']
    header = ['network', 'Dice', *(['Dice less ' + reference] if reference else []),
              *(f'{region}' for region in comparison['regions']), 'HD95, mm', 'NSD 2 mm']
    rows = []
    for label, found in comparison['networks'].items():
        dice = found['dice']
        row = [label, _with_interval(dice['mean'], dice['interval'], 100)]
        if reference:
            row.append(_with_interval(dice['less'], dice['less_interval'], 100, '+')
                       if 'less' in dice else '')
        row += [f'{100 * dice["regions"][region]:.1f}' for region in comparison['regions']]
        row += [_with_interval(found['hd95']['mean'], found['hd95']['interval']),
                _with_interval(found['nsd']['mean'], found['nsd']['interval'], 100)]
        rows.append(row)
    return markdown(header, rows)


def _with_interval(mean: float, ends: Sequence[float] | None, factor: float = 1,
                   sign: str = '') -> str:
    text = f'{factor * mean:{sign}.1f}'
    if ends is None:
        return text
    return f'{text} ({factor * ends[0]:{sign}.1f} to {factor * ends[1]:{sign}.1f})'
