"""Compare 3-D networks on one test set: Dice, HD95, NSD, paired differences over patients.

    python tools/analysis_tools/compare_volumes.py \\
        --run LightMedSeg=a/test.volumes.json --run "SegResNet=b/test.volumes.json" \\
        --reference LightMedSeg --docs docs/lightmedseg.md --table lesion

A run is what tools/test.py writes with --cfg-options test_evaluator.outfile_prefix=PREFIX.
"""
from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from medseg.cli import add_table_options, check_table_options, reports_user_errors
from medseg.errors import UserError
from medseg.io import write_json
from medseg.metrics.bootstrap import RESAMPLES
from medseg.tables import fill, require_place
from projects.lightmedseg.volume_comparison import compare_volumes, comparison_table


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--run', action='append', required=True, metavar='LABEL=FILE',
                        help='cases of one network, PREFIX.volumes.json')
    parser.add_argument('--reference', metavar='LABEL', help='show differences from this network')
    parser.add_argument('--resamples', type=int, default=RESAMPLES,
                        help=f'bootstrap draws (default: {RESAMPLES})')
    parser.add_argument('--json', type=Path, help='write everything to this file')
    add_table_options(parser)
    args = parser.parse_args(argv)
    check_table_options(parser, args)
    return args


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Compare; returns the exit code."""
    args = parse_args(argv)
    runs = {}
    for value in args.run:
        label, _, path = value.partition('=')
        if not label or not path:
            raise UserError(f'--run {value}: must be of the form LABEL=FILE')
        if label in runs:
            raise UserError(f'--run {value}: the label {label} is there twice')
        runs[label] = Path(path)
    if args.docs:
        require_place(args.docs, args.table)
    comparison = compare_volumes(runs, args.reference, args.resamples)
    if args.json:
        write_json(args.json, comparison)
    text = comparison_table(comparison)
    if args.docs:
        fill(args.docs, args.table, text)
    print(f'{comparison["patients"]} patients, 95 % intervals over patients\n\n{text}')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
