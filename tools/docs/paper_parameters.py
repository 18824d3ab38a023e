"""Parameters and FLOPs of every row of the paper's Tables V to VIII beside the printed figures.

Counted at 640x640 with four classes. The paper's own count of FLOPs takes a transposed convolution
stride^2 times (see projects/lmsfa/paper/flops.py); the difference is that count's.

examples:
  python tools/docs/paper_parameters.py
  python tools/docs/paper_parameters.py --document docs/models.md --json parameters.json
"""
from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import track

from medseg.benchmark.complexity import count
from medseg.cli import load_config, reports_user_errors
from medseg.engine import compat
from medseg.engine.building import build_model
from medseg.io import write_json
from medseg.tables import fill, markdown, require_place
from projects.lmsfa.paper import PAPER_TABLES, PaperRow, paper_flops

ROOT = Path(__file__).resolve().parents[2]
TABLES = ('table5', 'table6', 'table7', 'table8')
NAME = 'paper-parameters'
SIZE = 640


def measure(config: str) -> dict[str, float]:
    """Parameters in M and FLOPs in G, both conventions, of a config of this repository."""
    model = build_model(load_config(str(ROOT / config)))
    counts = count(model, SIZE, SIZE)
    return dict(params_m=counts.parameters / 1e6, gflops=counts.flops / 1e9,
                paper_gflops=paper_flops(model, counts) / 1e9)


def difference(ours: float, printed: float | None) -> str:
    """Relative difference to the printed figure in per cent; empty without one."""
    # Adding 0.0 makes a rounded -0.0 a plain zero.
    return '' if printed is None else f'{round(100 * (ours / printed - 1), 1) + 0.0:+.1f} %'


def number(value: float | None) -> str:
    """A printed figure; empty without one."""
    return '' if value is None else f'{value:.1f}'


def table_rows(rows: Sequence[PaperRow], measured: dict[str, dict], notes: list[str]
               ) -> list[list[str]]:
    """Cells of one table's rows; texts of notes are appended to ``notes`` and referred to."""
    cells = []
    for row in rows:
        ours = measured[row.config]
        name = f'[{row.name}](../{row.config})'
        if row.note:
            if row.note not in notes:
                notes.append(row.note)
            name += f' ({notes.index(row.note) + 1})'
        params, flops = row.values.get('params_m'), row.values.get('gflops')
        cells.append([name, f'{ours["params_m"]:.3f}', number(params),
                      difference(ours['params_m'], params), f'{ours["gflops"]:.2f}',
                      f'{ours["paper_gflops"]:.2f}', number(flops),
                      difference(ours['paper_gflops'], flops)])
    return cells


def document(names: Sequence[str], measured: dict[str, dict]) -> str:
    """The Markdown of all tables, their notes numbered through at the end."""
    notes: list[str] = []
    header = ['model', 'M parameters', 'printed', 'difference', 'GFLOPs', "by the paper's count",
              'printed', 'difference']
    parts = []
    for name in names:
        table = PAPER_TABLES[name]
        rows = table_rows([row for row in table.rows if row.config in measured], measured, notes)
        parts.append(f'**{table.title}**\n\n{markdown(header, rows)}')
    parts.append('\n'.join(f'{i}. {note}' for i, note in enumerate(notes, 1)))
    return '\n\n'.join(part for part in parts if part)


def parse_args(argv=None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--tables', nargs='+', choices=TABLES, default=list(TABLES),
                        metavar='TABLE', help=f'of {", ".join(TABLES)} (default: all)')
    parser.add_argument('--document', type=Path, metavar='FILE',
                        help=f'Markdown file whose "<!-- table: {NAME} -->" is filled; its links '
                        'are those of a file in docs/')
    parser.add_argument('--json', type=Path, help='also write a list of objects with table, name, '
                        'config, params_m, gflops, paper_gflops, printed and note')
    return parser.parse_args(argv)


@reports_user_errors
def main(argv=None) -> int:
    """Count and print; returns the exit code."""
    args = parse_args(argv)
    if args.document:
        require_place(args.document, NAME)
    compat.setup()
    rows = [(name, row) for name in args.tables for row in PAPER_TABLES[name].rows if row.config]
    configs = dict.fromkeys(row.config for _, row in rows)
    measured = {config: measure(config) for config in track(
        configs, 'counting', console=Console(stderr=True), transient=True)}
    text = document(args.tables, measured)
    if args.document:
        fill(args.document, NAME, text)
    print(text)
    if args.json:
        write_json(args.json, [
            dict(table=name, name=row.name, config=row.config, **measured[row.config],
                 printed=row.values, note=row.note) for name, row in rows], indent=2)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
