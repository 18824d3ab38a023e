"""Write the tables of the documents, from the JSON files that the other tools print.

A table stands between `<!-- table: NAME -->` and `<!-- end of table -->`; only that part of the
document is changed.

examples:
  python tools/complexity.py configs/lmsfa/lmsfa-n_1xb8-300e_peld.py --json table.json
  python tools/docs/write_tables.py README.md complexity --json table.json
  python tools/docs/write_tables.py docs/results.md dsb2018 --row "LMSF-A-n=scalars.json"
"""
from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from medseg.cli import reports_user_errors
from medseg.io import read_json
from medseg.tables import fill, markdown
from projects.lmsfa.paper import PAPER_TABLES

#: The paper's figures for the configs of its ablation.
PAPER = {Path(row.config).stem: row.values
         for row in PAPER_TABLES['table5'].rows if row.config}
FIGURES = {'mAP': 'mAP', 'mAP50': 'mAP_50', 'P': 'precision', 'R': 'recall'}


def complexity_table(records: list[dict]) -> str:
    """Parameters and FLOPs of configs, the paper's beside them where it prints them."""
    rows = []
    for record in records:
        name = Path(record['config']).stem
        paper = PAPER.get(name)
        rows.append([f'[{name}]({record["config"]})', f'{record["parameters"]:,}',
                     f'{record["flops"] / 1e9:.2f}',
                     f'{paper["params_m"]} M / {paper["gflops"]} G' if paper else ''])
    return markdown(['config', 'parameters', 'GFLOPs', 'paper'], rows)


def results_table(rows: Sequence[str], digits: int = 3) -> str:
    """Box and mask figures of test runs, from the scalars that tools/test.py writes."""
    lines = []
    for row in rows:
        label, path = row.rsplit('=', 1)
        scalars = read_json(path)
        lines.append([label, *(f'{scalars[f"coco/{kind}_{key}"]:.{digits}f}'
                               for kind in ('bbox', 'segm') for key in FIGURES.values())])
    names = [f'{kind} {figure}' for kind in ('box', 'mask') for figure in FIGURES]
    return markdown(['model', *names], lines)


def speed_table(report: dict) -> str:
    """Training iterations, from tools/peers/compare_train_speed.py --json."""
    return markdown(['model', 'median s', 'ratio', 'peak memory GiB'], [
        [row['model'], f'{row["median_s"]:.3f}', f'{row["ratio"]:.2f}', f'{row["peak_gib"]:.2f}']
        for row in report['rows']])


def profile_table(rows: Sequence[str]) -> str:
    """Milliseconds around the network, from tools/analysis_tools/profile_runtime.py --json."""
    lines = []
    for row in rows:
        label, path = row.rsplit('=', 1)
        report = read_json(path)
        lines.append([label, *(f'{report["milliseconds"][part]:.1f}' for part in
                               ('preprocessing', 'network', 'postprocessing')),
                      f'{report["around_by_network"]:.1%}'])
    return markdown(['frame', 'before, ms', 'network, ms', 'behind, ms', 'around / network'], lines)


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Write a table; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('document', type=Path)
    parser.add_argument('name', help='name of the table in the document')
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument('--json', type=Path, help='output of tools/complexity.py --json')
    source.add_argument('--speed', type=Path, help='output of compare_train_speed.py --json')
    source.add_argument('--row', action='append', metavar='LABEL=FILE',
                        help='label and scalars file (WORK_DIR/TIME/TIME.json of tools/test.py)')
    source.add_argument('--profile', action='append', metavar='LABEL=FILE',
                        help='label and output of profile_runtime.py --json')
    parser.add_argument('--digits', type=int, default=3, help='of figures of --row (default: 3)')
    args = parser.parse_args(argv)
    if args.json:
        table = complexity_table(read_json(args.json))
    elif args.speed:
        table = speed_table(read_json(args.speed))
    elif args.profile:
        table = profile_table(args.profile)
    else:
        table = results_table(args.row, args.digits)
    fill(args.document, args.name, table)
    print(table)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
