"""Compare models by class areas: Dice, IoU, HD95, NSD with intervals, semantic models and others.

    python tools/analysis_tools/compare_areas.py --ann instances_test.json \\
        --val-ann instances_val.json --run "HRMedSeg=a/predictions" \\
        --run "LMSF-A-n=b/predictions" --val "LMSF-A-n=b/val" --reference HRMedSeg

A run is the prefix of PREFIX.semantic.json (SemanticMetric) or PREFIX.segm.json (InstanceMetric).
Instances count from a score on that is chosen on the validation images: --val. Definitions are in
docs/metrics.md.
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from medseg.benchmark.area_comparison import AreaPredictions, area_tables, compare_areas
from medseg.cli import add_table_options, check_table_options, reports_user_errors
from medseg.errors import UserError
from medseg.io import write_json
from medseg.metrics.bootstrap import RESAMPLES
from medseg.metrics.semantic_scores import FIGURES
from medseg.tables import fill


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--ann', type=Path, required=True, help='annotation file of the test set')
    parser.add_argument('--run', action='append', required=True, metavar='LABEL=PREFIX',
                        help='predictions on the test set')
    parser.add_argument('--val', action='append', default=[], metavar='LABEL=PREFIX',
                        help='predictions on the validation images')
    parser.add_argument('--val-ann', type=Path, help='annotation file of the validation images')
    parser.add_argument('--reference', metavar='LABEL', help='show differences from this model')
    parser.add_argument('--test', nargs='*', choices=FIGURES, metavar='FIGURE',
                        help='test the differences from --reference by exchanging the models '
                        f'patient by patient, with Holm\'s correction: {", ".join(FIGURES)} '
                        '(default: dice; choose before looking)')
    parser.add_argument('--tolerance', type=float, default=3, help='of NSD, pixels (default: 3)')
    parser.add_argument('--resamples', type=int, default=RESAMPLES,
                        help=f'bootstrap draws (default: {RESAMPLES})')
    parser.add_argument('--json', type=Path, help='write everything to this file')
    add_table_options(parser)
    args = parser.parse_args(argv)
    if args.test is not None and not args.reference:
        parser.error('--test needs --reference: the model to compare with')
    check_table_options(parser, args)
    return args


def _pairs(option: str, values: Sequence[str]) -> dict[str, Path]:
    found = {}
    for value in values:
        label, _, prefix = value.partition('=')
        if not label or not prefix:
            raise UserError(f'{option} {value}: must be of the form LABEL=PREFIX')
        found[label] = Path(prefix)
    return found


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Compare; returns the exit code."""
    args = parse_args(argv)
    runs, val = _pairs('--run', args.run), _pairs('--val', args.val)
    unknown = sorted(set(val) - set(runs))
    if unknown:
        raise UserError(f'--val {unknown[0]}={val[unknown[0]]}: no --run has this label')
    comparison = compare_areas(
        [AreaPredictions(label, prefix, val.get(label)) for label, prefix in runs.items()],
        args.ann, args.val_ann, args.reference, args.tolerance, args.resamples,
        report=lambda text: print(text, file=sys.stderr, flush=True),
        tested=() if args.test is None else args.test or ('dice',))
    if args.json:
        write_json(args.json, comparison)
    text = area_tables(comparison)
    if args.docs:
        fill(args.docs, args.table, text)
    print(text)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
