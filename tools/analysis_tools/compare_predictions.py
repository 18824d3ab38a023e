"""Compare models on one test set, with intervals of their figures and of their differences.

    python tools/analysis_tools/compare_predictions.py --results work_dirs/synpeld/results.json \\
        --reference lmsfa-n_base_1xb8-300e_peld --docs docs/results.md --table synpeld
    python tools/analysis_tools/compare_predictions.py --ann instances_test.json \\
        --run "Mask R-CNN=a/predictions" --run "LMSF-A=b/predictions" --reference "Mask R-CNN"

Box and mask AP, boundary AP and NSD (docs/metrics.md), resampling patients where the annotation
file tells them. An interval of a difference that leaves out 0 says that another draw of patients
would hardly turn the order round; it says nothing about another seed of the training.
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from medseg.benchmark.paired_comparison import Predictions, compare, table, trained_runs
from medseg.cli import reports_user_errors
from medseg.errors import UserError
from medseg.io import write_json
from medseg.metrics.bootstrap import RESAMPLES
from medseg.tables import fill


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--results', type=Path, nargs='+', default=[], metavar='FILE',
                        help='results.json of tools/benchmark.py --train: all finished runs')
    parser.add_argument('--only', nargs='+', metavar='NAME',
                        help='of --results: these configs alone, in this order')
    parser.add_argument('--run', action='append', default=[], metavar='LABEL=PREFIX',
                        help='PREFIX.bbox.json and PREFIX.segm.json of InstanceMetric')
    parser.add_argument('--ann', type=Path, help='annotation file of --run')
    parser.add_argument('--max-dets', type=int, default=100,
                        help='of --run: detections per image and class that count (default: 100)')
    parser.add_argument('--reference', metavar='NAME', help='show differences from this model')
    parser.add_argument('--title', action='append', default=[], metavar='NAME=TITLE',
                        help='what to call a model in the table')
    parser.add_argument('--tolerance', type=float, default=3, help='of NSD, pixels (default: 3)')
    parser.add_argument('--resamples', type=int, default=RESAMPLES,
                        help=f'bootstrap draws (default: {RESAMPLES})')
    parser.add_argument('--json', type=Path, help='write everything to this file')
    parser.add_argument('--docs', type=Path, help='write the table into this document')
    parser.add_argument('--table', metavar='NAME', help='with --docs: name of the table')
    args = parser.parse_args(argv)
    if bool(args.docs) != bool(args.table):
        parser.error('--docs and --table belong together')
    if args.run and not args.ann:
        parser.error('--run needs --ann')
    if not args.run and not args.results:
        parser.error('nothing to compare: give --results or --run')
    return args


def collect(args: argparse.Namespace) -> list[Predictions]:
    """The models that the arguments name.

    Raises:
        UserError: A name is unknown or not of the form that is asked for.
    """
    found = [model for path in args.results for model in trained_runs(path)]
    if args.only:
        by_label = {model.label: model for model in found}
        missing = [name for name in args.only if name not in by_label]
        if missing:
            raise UserError(f'no finished run of {", ".join(missing)}; there are: '
                            f'{", ".join(by_label)}')
        found = [by_label[name] for name in args.only]
    for label, prefix in _pairs('--run', args.run):
        found.append(Predictions(label, args.ann, Path(prefix), args.max_dets))
    return found


def _pairs(option: str, values: Sequence[str]) -> list[tuple[str, str]]:
    pairs = [tuple(value.split('=', 1)) for value in values]
    for value, pair in zip(values, pairs, strict=True):
        if len(pair) != 2 or not all(pair):
            raise UserError(f'{option} {value}: must be of the form NAME=VALUE')
    return pairs


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Compare; returns the exit code."""
    args = parse_args(argv)
    comparison = compare(collect(args), args.reference, args.tolerance, args.resamples,
                         report=lambda text: print(text, file=sys.stderr, flush=True))
    if args.json:
        write_json(args.json, comparison)
    titles = dict(_pairs('--title', args.title))
    for row in comparison['rows']:
        row['label'] = titles.get(row['label'], row['label'])
    if args.reference:
        comparison['reference'] = titles.get(args.reference, args.reference)
    text = table(comparison)
    if args.docs:
        fill(args.docs, args.table, text)
    print(text)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
