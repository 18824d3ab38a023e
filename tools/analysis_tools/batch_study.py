"""Accuracy against the batch size of the training: a table and a plot.

    python tools/benchmark.py --suite small-batch --train --budget 30 --recipe sgd \\
        --train-size 320 --batch-size 1 2 4 8 --accumulate-to 8 --scale-lr linear --seeds 0 1 2 \\
        --data-root data/peld --val-interval 0 --out work_dirs/small_batches
    python tools/analysis_tools/batch_study.py work_dirs/small_batches/results.json \\
        --plot work_dirs/small_batches/plot.svg --docs docs/results.md --table small-batch

Every config is trained at each batch size on the same number of images, the learning rate scaled by
the images of a step; "1x8" are 8 passes of one image per step. Trainings that are not finished are
left out, so the table can be looked at on the way.
"""
from __future__ import annotations

import argparse
import re
import statistics
from collections.abc import Sequence
from pathlib import Path

from medseg.benchmark.accuracy import tested_runs
from medseg.benchmark.plots import batch_curves
from medseg.benchmark.references import TABLES
from medseg.cli import add_table_options, check_table_options, reports_user_errors
from medseg.errors import UserError
from medseg.io import read_json, write_json, write_text
from medseg.tables import fill, markdown
from projects.lmsfa import paper

#: Name of the figure -> kind and figure of the intervals, key of the metrics.
FIGURES = {'mask mAP': ('segm', 'mAP', 'coco/segm_mAP'),
           'mask mAP50': ('segm', 'mAP_50', 'coco/segm_mAP_50'),
           'box mAP': ('bbox', 'mAP', 'coco/bbox_mAP')}
_VARIANT = re.compile(r'batch(\d+)(?:x(\d+))?$')
_TITLES = {Path(row.config).stem: row.name for row in TABLES['small-batch'].rows}
assert paper.STUDIES  # importing it registered the suite


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('results', type=Path, help='results.json of tools/benchmark.py --train')
    parser.add_argument('--figure', choices=FIGURES, default='mask mAP',
                        help='default: %(default)s')
    parser.add_argument('--plot', type=Path, metavar='FILE.svg')
    parser.add_argument('--json', type=Path, help='write everything to this file')
    add_table_options(parser)
    args = parser.parse_args(argv)
    check_table_options(parser, args)
    return args


def cells(results: Path, figure: str) -> dict[str, dict[str, dict]]:
    """By model and batch (``1``, ``1x8``): mean, ``spread`` over seeds, mean ``interval``, points.

    Raises:
        UserError: The file holds no finished training at a batch size.
    """
    content = read_json(results)
    if 'runs' not in content:
        raise UserError(f'{results}: is not a results.json of tools/benchmark.py --train')
    kind, name, key = FIGURES[figure]
    grouped: dict[str, dict[str, list[dict]]] = {}
    for run in tested_runs(content):
        match = _VARIANT.match(run.get('variant') or '')
        if match:
            batch = match[1] + (f'x{match[2]}' if match[2] else '')
            stem = Path(run['config']).stem
            grouped.setdefault(_TITLES.get(stem, stem), {}).setdefault(batch, []).append(run)
    if not grouped:
        raise UserError(f'{results}: no finished training at a batch size; train with '
                        'tools/benchmark.py --batch-size 1 2 4 8 --scale-lr RULE')
    found: dict[str, dict[str, dict]] = {}
    for model, batches in grouped.items():
        for batch, runs in batches.items():
            values = [100 * run['metrics'][key] for run in runs]
            ends = [run['intervals'][kind][name] for run in runs
                    if name in run['intervals'].get(kind, {})]
            found.setdefault(model, {})[batch] = dict(
                mean=statistics.fmean(values), seeds=len(values),
                spread=statistics.stdev(values) if len(values) > 1 else None,
                interval=[100 * statistics.fmean(end[i] for end in ends) for i in (0, 1)]
                if ends else None)
    return found


def order(batch: str) -> tuple[int, int]:
    """Plain sizes first, then accumulated ones, rising."""
    size, _, passes = batch.partition('x')
    return int(passes or 0) > 0, int(size)


def table(found: dict[str, dict[str, dict]], figure: str) -> str:
    """Markdown: a row per model, a column per batch size."""
    batches = sorted({batch for row in found.values() for batch in row}, key=order)
    rows = []
    for model, row in found.items():
        line = [model]
        for batch in batches:
            cell = row.get(batch)
            if cell is None:
                line.append('-')
                continue
            text = f'{cell["mean"]:.1f}'
            if cell['spread'] is not None:
                text += f' ± {cell["spread"]:.1f}'
            if cell['interval']:
                text += f' ({cell["interval"][0]:.1f} to {cell["interval"][1]:.1f})'
            line.append(text)
        rows.append(line)
    seeds = sorted({cell['seeds'] for row in found.values() for cell in row.values()})
    return (f'{markdown(["model", *(f"batch {b}" for b in batches)], rows)}\n\n{figure}, percent: '
            f'mean over {" to ".join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))} seeds ± '
            'standard deviation over seeds, in brackets 95 % intervals over the test set (mean of '
            "the seeds' ends). \"1x8\": eight passes of one image per step.")


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Write table and plot; returns the exit code."""
    args = parse_args(argv)
    found = cells(args.results, args.figure)
    text = table(found, args.figure)
    if args.json:
        write_json(args.json, dict(figure=args.figure, models=found), indent=1)
    if args.plot:
        write_text(args.plot, batch_curves(found, args.figure))
    if args.docs:
        fill(args.docs, args.table, text)
    print(text)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
