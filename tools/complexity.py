"""Parameters, MACs and FLOPs of one or several configs.

    python tools/complexity.py configs/lmsfa/lmsfa-n_1xb8-300e_peld.py
    python tools/complexity.py CONFIG... --size 640 --json complexity.json

Counted are convolutions, transposed convolutions, linear layers and matrix products of one image's
forward pass; normalisation, activation, resizing and post-processing are not. FLOPs = 2 x MACs.
"""
from __future__ import annotations

import argparse
from pathlib import Path

from mmengine.config import DictAction
from rich.console import Console
from rich.progress import track
from rich.table import Table

from medseg.benchmark.complexity import Complexity, count
from medseg.cli import load_config, reports_user_errors
from medseg.engine import compat
from medseg.engine.building import build_model
from medseg.io import write_json


def parse_args(argv=None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='+', metavar='CONFIG', help='config file, or '
                        'mmdet::path for one that ships with mmdet')
    parser.add_argument('--size', type=int, nargs='+', default=[640], metavar='PIXELS',
                        help='side of the square input, or height and width (default: 640)')
    parser.add_argument('--json', type=Path, help='also write a list of objects with config, '
                        'parameters, macs, flops, size and fused')
    parser.add_argument('--per-module', action='store_true', help='also list the modules')
    parser.add_argument('--depth', type=int, default=3,
                        help='with --per-module: levels of the module tree (default: 3)')
    parser.add_argument('--fuse', action='store_true',
                        help='count the inference form: branches and BatchNorms merged')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings of every config')
    args = parser.parse_args(argv)
    if len(args.size) > 2 or min(args.size) < 1:
        parser.error('--size: one or two positive numbers')
    return args


def shallow_modules(counts: Complexity, depth: int) -> dict[str, tuple[int, int]]:
    """The modules down to ``depth`` levels."""
    return {name: item for name, item in counts.modules.items() if name.count('.') < depth}


def print_table(results: dict[str, Complexity], title: str) -> None:
    """One row a config."""
    table = Table(title=title, caption='FLOPs = 2 x MACs of convolutions, linear layers and '
                  'matrix products')
    table.add_column('config', overflow='fold')
    for name in ('parameters', 'MACs (G)', 'FLOPs (G)'):
        table.add_column(name, justify='right', no_wrap=True)
    for name, counts in results.items():
        table.add_row(name, f'{counts.parameters:,}', f'{counts.macs / 1e9:.3f}',
                      f'{counts.flops / 1e9:.3f}')
    Console().print(table)


def print_modules(name: str, counts: Complexity, depth: int) -> None:
    """One row a module, with its share of the whole."""
    table = Table(title=name)
    table.add_column('module', overflow='fold')
    for column in ('parameters', 'MACs (M)', 'share'):
        table.add_column(column, justify='right', no_wrap=True)
    for module, (parameters, macs) in shallow_modules(counts, depth).items():
        table.add_row(module, f'{parameters:,}', f'{macs / 1e6:.2f}',
                      f'{100 * macs / max(counts.macs, 1):.1f} %')
    Console().print(table)


def as_record(name: str, counts: Complexity, args: argparse.Namespace) -> dict:
    """JSON form of one config's counts."""
    record = {'config': name, 'parameters': counts.parameters, 'macs': counts.macs,
              'flops': counts.flops, 'size': [args.size[0], args.size[-1]], 'fused': args.fuse}
    if args.per_module:
        record['modules'] = [{'name': module, 'parameters': parameters, 'macs': macs}
                             for module, (parameters, macs)
                             in shallow_modules(counts, args.depth).items()]
    return record


@reports_user_errors
def main(argv=None) -> int:
    """Count; returns the exit code."""
    args = parse_args(argv)
    compat.setup()
    configs = {name: load_config(name, args.cfg_options) for name in args.configs}
    results = {}
    for name in track(configs, 'counting', console=Console(stderr=True), transient=True):
        results[name] = count(build_model(configs[name]), args.size[0], args.size[-1], args.fuse)
    title = f'one image of {args.size[0]} x {args.size[-1]}{", fused" if args.fuse else ""}'
    print_table(results, title)
    if args.per_module:
        for name, counts in results.items():
            print_modules(name, counts, args.depth)
    if args.json:
        records = [as_record(name, counts, args) for name, counts in results.items()]
        write_json(args.json, records, indent=2)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
