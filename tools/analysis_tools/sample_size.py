"""How many patients does a difference need to be seen?

    python tools/analysis_tools/sample_size.py --ann instances_test.json \\
        --run a/predictions --run b/predictions --difference 1 2 4
    python tools/analysis_tools/sample_size.py --sd 9.5 --difference 1 2 4 --power 0.8 0.9
    python tools/analysis_tools/sample_size.py --values differences.txt --plot power.svg

The spread of the difference over patients is taken from the predictions of two models on pilot
patients (PREFIX.bbox.json and .segm.json of InstanceMetric; jackknife pseudo-values, since AP is no
mean over patients), from a text file with one difference per patient, or given. Patients for a
power are those of a paired t test; with a pilot the power is also simulated: studies drawn from its
patients, tested by sign flips. A pilot of few patients tells its own spread badly: the table shows
the interval. Everything is in points (percent). See docs/benchmark.md.
"""
from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import stats

from medseg.benchmark.paired_comparison import FIGURES
from medseg.benchmark.plots import power_curves
from medseg.cli import add_table_options, check_table_options, reports_user_errors
from medseg.errors import UserError
from medseg.io import read_json, write_json, write_text
from medseg.metrics.instance_matches import match, read_truth
from medseg.metrics.power import (
    LEVEL,
    MOST,
    POWER,
    patients_needed,
    pseudo_values,
    simulated_power,
    t_power,
)
from medseg.tables import fill, markdown

HEADINGS = [heading for heading, _, _ in FIGURES]
#: Patients of the simulated columns.
STUDIES = (6, 12, 30, 61)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--run', type=Path, action='append', default=[], metavar='PREFIX',
                        help='predictions of a model on the pilot; give two')
    parser.add_argument('--ann', type=Path, help='annotation file of the pilot')
    parser.add_argument('--figure', choices=HEADINGS, default='mask mAP',
                        help='with --run (default: %(default)s)')
    parser.add_argument('--max-dets', type=int, default=100,
                        help='detections per image and class that count (default: 100)')
    parser.add_argument('--tolerance', type=float, default=3, help='of NSD, pixels (default: 3)')
    parser.add_argument('--values', type=Path, metavar='FILE',
                        help='differences of the pilot\'s patients in points, one a line')
    parser.add_argument('--sd', type=float, metavar='POINTS',
                        help='standard deviation of the difference over patients')
    parser.add_argument('--difference', type=float, nargs='+', default=[1, 2, 4],
                        metavar='POINTS', help='to be seen (default: 1 2 4)')
    parser.add_argument('--power', type=float, nargs='+', default=[POWER, 0.9],
                        help='chance to see it (default: 0.8 0.9)')
    parser.add_argument('--level', type=float, default=LEVEL,
                        help='of the two-sided test (default: %(default)s)')
    parser.add_argument('--patients', type=int, nargs='+', default=list(STUDIES),
                        help='sizes of studies whose power is shown (default: 6 12 30 61)')
    parser.add_argument('--seed', type=int, default=0, help='of the simulation (default: 0)')
    parser.add_argument('--plot', type=Path, metavar='FILE.svg', help='power against patients')
    parser.add_argument('--json', type=Path, help='write everything to this file')
    add_table_options(parser)
    args = parser.parse_args(argv)
    if sum(map(bool, (args.run, args.values, args.sd is not None))) != 1:
        parser.error('give the spread once: two --run with --ann, or --values, or --sd')
    if args.run and (len(args.run) != 2 or not args.ann):
        parser.error('--run is given twice, with --ann')
    if args.sd is not None and args.sd <= 0:
        parser.error('--sd must be above 0')
    if not all(0 < value < 1 for value in (*args.power, args.level)):
        parser.error('--power and --level lie between 0 and 1')
    if min(args.patients) < 2 or min(args.difference) <= 0:
        parser.error('--patients must be at least 2, --difference above 0')
    check_table_options(parser, args)
    return args


def pilot_values(args: argparse.Namespace) -> tuple[np.ndarray | None, str]:
    """The pilot's differences in points, and what they are of; None with ``--sd``.

    Raises:
        UserError: A file cannot be used, or the pilot has too few patients, or none that differ.
    """
    if args.sd is not None:
        return None, ''
    if args.values:
        try:
            values = np.loadtxt(args.values, ndmin=1)
        except (OSError, ValueError) as error:
            raise UserError(f'{args.values}: is no list of numbers, one per line ({error})'
                            ) from error
        unit, source = 'patient', args.values
    else:
        kind, figure = next((k, f) for heading, k, f in FIGURES if heading == args.figure)
        truth, ending = read_truth(args.ann, True), 'bbox' if kind == 'bbox' else 'segm'
        found = [match(truth, read_json(prefix.with_name(f'{prefix.name}.{ending}.json')), kind,
                       args.max_dets, args.tolerance if figure.startswith('nsd') else None)
                 for prefix in args.run]
        values = 100 * pseudo_values(
            lambda weights: found[1].figures(weights)[figure] - found[0].figures(weights)[figure],
            found[0].groups)
        unit, source = found[0].unit, args.ann
    if len(values) < 3 or not np.ptp(values):
        raise UserError(f'{source}: {len(values)} {unit}s with {len(np.unique(values))} different '
                        'values tell no spread; give a larger pilot, or --sd')
    return values, unit


def spread_interval(values: np.ndarray) -> tuple[float, float]:
    """95 % interval of the standard deviation (chi-square)."""
    freedom = len(values) - 1
    limits = stats.chi2.ppf((0.975, 0.025), freedom)
    low, high = values.std(ddof=1) * np.sqrt(freedom / limits)
    return float(low), float(high)


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Compute; returns the exit code."""
    args = parse_args(argv)
    values, unit = pilot_values(args)
    sd = args.sd if values is None else float(values.std(ddof=1))
    rows = [dict(difference=difference,
                 needed={f'{p:g}': patients_needed(difference, sd, p, args.level)
                         for p in args.power},
                 power={str(n): t_power(n, difference, sd, args.level) for n in args.patients},
                 simulated=None if values is None else {
                     str(n): simulated_power(values, difference, n, args.level, seed=args.seed)
                     for n in args.patients})
            for difference in args.difference]
    content = dict(sd=sd, sd_interval=None if values is None else spread_interval(values),
                   pilot=None if values is None else dict(
                       patients=len(values), unit=unit, mean=float(values.mean()),
                       figure=args.figure if args.run else None),
                   level=args.level, rows=rows)
    text = table(content)
    if args.json:
        write_json(args.json, content, indent=1)
    if args.plot:
        write_text(args.plot, power_curves(sd, args.difference, args.level))
    if args.docs:
        fill(args.docs, args.table, text)
    print(text)
    return 0


def table(content: dict) -> str:
    """Markdown: patients for each power, and the power of each size of study."""
    first = content['rows'][0]
    header = ['difference, points', *(f'patients for power {p}' for p in first['needed']),
              *(f'power with {n}' for n in first['power'])]
    cells = []
    for row in content['rows']:
        shown = [f'{row["difference"]:g}',
                 *(f'> {MOST:,}' if n is None else f'{n:,}' for n in row['needed'].values())]
        for size, value in row['power'].items():
            more = f' ({row["simulated"][size]:.2f})' if row['simulated'] else ''
            shown.append(f'{value:.2f}{more}')
        cells.append(shown)
    text = f'Two-sided test at {content["level"]:g}, paired by patient; '
    pilot = content['pilot']
    if pilot is None:
        return f'{markdown(header, cells)}\n\n{text}standard deviation {content["sd"]:.1f} points.'
    low, high = content['sd_interval']
    of = f' of {pilot["figure"]}' if pilot['figure'] else ''
    return (f'{markdown(header, cells)}\n\n{text}standard deviation of the difference{of} over '
            f'{pilot["unit"]}s {content["sd"]:.1f} points (95 % interval {low:.1f} to {high:.1f}), '
            f'from a pilot of {pilot["patients"]}, whose mean difference is {pilot["mean"]:+.1f}. '
            "Power of the t test; in brackets that of a sign-flip test in studies drawn from the "
            "pilot's own patients.")


if __name__ == '__main__':
    raise SystemExit(main())
