"""Memory that a training step of semantic models keeps, counted without computing it.

    python tools/analysis_tools/kept_activations.py CONFIG... --size 1024 --batch 1 4

What is counted is in medseg/benchmark/kept_activations.py; what an allocator really takes is
measured by tools/benchmark.py --only memory.
"""
from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import DictAction
from mmengine.utils import import_modules_from_strings

from medseg.benchmark.kept_activations import kept_memory
from medseg.cli import add_table_options, check_table_options, load_config, reports_user_errors
from medseg.engine import compat
from medseg.tables import fill, markdown

GB = 1e9


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Count; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='+', metavar='CONFIG', help='configs; ratios are to the '
                        'first')
    parser.add_argument('--size', type=int, default=1024, help='side in pixels (default: 1024)')
    parser.add_argument('--batch', type=int, nargs='+', default=[1, 4], help='default: 1 4')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings of every config, such as '
                        'model.backbone.with_cp=True')
    add_table_options(parser)
    args = parser.parse_args(argv)
    check_table_options(parser, args)
    if min(args.size, *args.batch) < 1:
        parser.error('--size and --batch: positive numbers')
    compat.setup()
    rows, first = [], {}
    for name in args.configs:
        config = load_config(name, args.cfg_options)
        import_modules_from_strings(**config.custom_imports)
        cells = [Path(name).stem]
        for batch in args.batch:
            found = kept_memory(config, args.size, batch).per_image / GB
            first.setdefault(batch, found)
            cells += [f'{found:.3f}', f'{found / first[batch]:.2f}']
        rows.append(cells)
    header = ['config', *(text for batch in args.batch
                          for text in (f'batch {batch}, GB per image', 'ratio'))]
    table = markdown(header, rows)
    if args.docs:
        fill(args.docs, args.table, table)
    print(table)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
