"""Compare what 3-D networks cost, side by side in one run; write the tables of a document.

    python tools/analysis_tools/compare_volume_networks.py configs/lightmedseg/lightmedseg-a_*.py \\
        configs/lightmedseg/peers/*.py --write docs/lightmedseg.md

Parameters; GFLOPs of a window (2 per multiply-accumulate); the peak memory of a training step at
batch 1 above the process before it; milliseconds of one window exported to ONNX Runtime, the
models in turn, with the ratio to the first one round by round. --parts leaves some out, --modules
is the table of LightMedSeg's own modules.
"""
from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import median

from rich.progress import track

from medseg.benchmark.machine import cpu_name
from medseg.cli import load_config, reports_user_errors
from medseg.io import write_json
from medseg.tables import fill, markdown
from projects.lightmedseg import network_costs as costs
from projects.lightmedseg.export import export_window

PARTS = ('complexity', 'memory', 'latency')


def parse_args(argv=None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='*', help='configs; the first is the base of ratios')
    parser.add_argument('--parts', nargs='+', choices=PARTS, default=list(PARTS))
    parser.add_argument('--modules', action='store_true', help="table of LightMedSeg's modules")
    parser.add_argument('--size', type=int, default=128,
                        help='voxels per side of FLOPs and latency (default: %(default)s)')
    parser.add_argument('--memory-sizes', type=int, nargs='+', default=[96, 128], metavar='N',
                        help='voxels per side of the training step (default: 96 128)')
    parser.add_argument('--rounds', type=int, default=7, help='of latency (default: %(default)s)')
    parser.add_argument('--threads', type=int, default=2, help='of latency (default: %(default)s)')
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the figures there')
    parser.add_argument('--write', type=Path, metavar='DOC',
                        help='fill the tables network-costs and modules of a document')
    args = parser.parse_args(argv)
    if not args.configs and not args.modules:
        parser.error('name at least one config, or --modules')
    return args


def measure(args: argparse.Namespace) -> list[dict]:
    """One row per config."""
    configs = {Path(name).stem.split('_1xb')[0]: load_config(name) for name in args.configs}
    rows = [dict(network=name) for name in configs]
    for row, config in zip(track(rows, 'networks', transient=True), configs.values(),
                           strict=True):
        if 'complexity' in args.parts:
            row['parameters'], row['gflops'] = costs.complexity(config, args.size)
        if 'memory' in args.parts:
            row['mib'] = {str(n): costs.training_memory(config, n) for n in args.memory_sizes}
    if 'latency' in args.parts:
        with tempfile.TemporaryDirectory() as folder:
            files = {}
            for name, config in configs.items():
                model = costs.build(config)
                names = [f'c{i}' for i in range(costs.channels(config))]
                files[name] = export_window(model, Path(folder) / f'{name}.onnx', ['a', 'b'],
                                            names, [args.size] * 3)
            found = costs.latencies(files, args.size, args.rounds, args.threads)
        base = next(iter(found.values()))
        for row in rows:
            times = found[row['network']]
            row['ms'], row['ratio'] = median(times), costs.ratio(times, base)
    return rows


def table(rows: list[dict], args: argparse.Namespace) -> str:
    """The rows as Markdown."""
    header, cells = ['network'], [[row['network']] for row in rows]
    if 'complexity' in args.parts:
        header += ['parameters', f'GFLOPs at {args.size}³']
        for row, line in zip(rows, cells, strict=True):
            line += [f'{row["parameters"]:,}', f'{row["gflops"]:.2f}']
    if 'memory' in args.parts:
        for n in args.memory_sizes:
            header.append(f'training step at {n}³, MiB')
            for row, line in zip(rows, cells, strict=True):
                line.append(f'{row["mib"][str(n)]:.0f}')
    if 'latency' in args.parts:
        header += [f'window of {args.size}³, ms', 'ratio']
        for row, line in zip(rows, cells, strict=True):
            line += [f'{row["ms"]:.0f}', f'{row["ratio"]:.2f}']
    return markdown(header, cells)


@reports_user_errors
def main(argv=None) -> int:
    """Compare; returns the exit code."""
    args = parse_args(argv)
    if args.modules:
        rows = costs.by_module(args.size)
        rows.append(('total', sum(r[1] for r in rows), sum(r[2] for r in rows)))
        text = markdown(['module', 'parameters', f'GFLOPs at {args.size}³'],
                        [[name, f'{count:,}', f'{flops:.3f}'] for name, count, flops in rows])
        print(text)
        if args.write:
            fill(args.write, 'modules', text)
    if args.configs:
        before = costs.load()
        rows = measure(args)
        text = table(rows, args)
        print(text)
        print(f'{cpu_name()}, {args.threads} threads, load {before:.1f} before, '
              f'{costs.load():.1f} after')
        if args.json:
            write_json(args.json, dict(cpu=cpu_name(), load=[before, costs.load()], rows=rows),
                       indent=1)
        if args.write:
            fill(args.write, 'network-costs', text)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
