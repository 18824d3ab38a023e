"""What trained models lose on data that differ from their own.

    python tools/data/make_synpeld.py data/raw/optics --patients 30 --seed 2 \\
        --families cold narrow worn
    python tools/data/labelme.py data/raw/optics data/optics --classes peld
    python tools/analysis_tools/domain_gap.py work_dirs/plain/results.json \\
        --set "other optics=data/optics/annotations/instances_all.json" --out work_dirs/gap

Takes the finished trainings of tools/benchmark.py --train, tests each on the other sets, and prints
the figures on both, the gap, and intervals. Predictions that are there are used again. See
docs/benchmark.md.
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from medseg.benchmark.domain_gap import gap_table, gaps, predict
from medseg.benchmark.paired_comparison import trained_runs
from medseg.cli import add_table_options, check_table_options, reports_user_errors
from medseg.data.coco_file import image_folder
from medseg.engine import compat
from medseg.errors import UserError
from medseg.io import read_json, write_json
from medseg.metrics.bootstrap import RESAMPLES
from medseg.tables import fill


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('results', type=Path, help='results.json of tools/benchmark.py --train')
    parser.add_argument('--set', action='append', required=True, metavar='NAME=ANN', dest='sets',
                        help='a set that the models were not trained for: its annotation file, '
                        'beside whose folder the images are')
    parser.add_argument('--out', type=Path, required=True, help='folder of the predictions')
    parser.add_argument('--device', help='such as cpu or cuda:0 (default: a GPU if there is one)')
    parser.add_argument('--resamples', type=int, default=RESAMPLES,
                        help='bootstrap draws (default: %(default)s)')
    parser.add_argument('--json', type=Path, help='write everything to this file')
    add_table_options(parser)
    args = parser.parse_args(argv)
    check_table_options(parser, args)
    return args


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Measure; returns the exit code."""
    args = parse_args(argv)
    compat.setup()
    device = args.device or ('cuda:0' if torch.cuda.is_available() else 'cpu')
    own, others = trained_runs(args.results), {}
    if any('folds' in run for run in read_json(args.results).get('pooled', [])):
        raise UserError(f'{args.results}: holds folds, which are several models each; give '
                        'trainings without --folds')
    if not own:
        raise UserError(f'{args.results}: no training is finished; call tools/benchmark.py again')
    for text in args.sets:
        name, _, ann = text.partition('=')
        if not name or not ann:
            raise UserError(f'--set {text}: must be of the form NAME=ANN')
        if not Path(ann).is_file():
            raise UserError(f'--set {text}: {ann} is no file; make the set with '
                            'tools/data/labelme.py or the like')
        others[name] = predict(args.results, name, Path(ann), image_folder(Path(ann)), args.out,
                               device, lambda line: print(line, file=sys.stderr, flush=True))
    found = gaps(own, others, args.resamples)
    text = gap_table(found)
    if args.json:
        write_json(args.json, found, indent=1)
    if args.docs:
        fill(args.docs, args.table, text)
    print(text)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
