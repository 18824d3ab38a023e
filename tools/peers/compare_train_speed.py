"""Time training iterations of configs against an Ultralytics model, in turn, round after round.

Each round trains every candidate for some iterations with its own data loader. Absolute times
differ between machines and hours; the ratios of one run are what counts. Ultralytics (AGPL) is an
optional peer in an environment of its own, named by --peer-python; it is no dependency.

example:
  python tools/peers/compare_train_speed.py configs/lmsfa/lmsfa-n_1xb8-30e_dsb2018.py \\
      --peer-python peer-env/bin/python --peer-data dsb2018.yaml --size 256
"""
from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from medseg.io import write_json

PEERS = Path(__file__).resolve().parent


def measure(command: list[str], skip: int) -> tuple[list[float], float]:
    """Seconds of each iteration after the first ``skip``, and the peak memory in GiB.

    Raises:
        RuntimeError: If the command fails; with the end of its error output.
    """
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f'{command[1]} failed:\n{result.stderr[-2000:]}')
    report = json.loads(result.stdout.strip().splitlines()[-1])
    return report['seconds'][skip:], report['peak_gib']


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='+')
    parser.add_argument('--peer-python', type=Path,
                        help='Python of the environment that has ultralytics')
    parser.add_argument('--peer-data', type=Path, help='data.yaml of the same images')
    parser.add_argument('--peer-model', default='yolov8n-seg.yaml')
    parser.add_argument('--size', type=int, default=256, help='input size (default: 256)')
    parser.add_argument('--batch', type=int, default=8, help='batch size (default: 8)')
    parser.add_argument('--workers', type=int, default=2, help='loader processes (default: 2)')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--iterations', type=int, default=40, help='per candidate and round')
    parser.add_argument('--skip', type=int, default=8, help='iterations before timing starts')
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE')
    parser.add_argument('--json', type=Path, help='write the figures here')
    args = parser.parse_args(argv)
    if bool(args.peer_python) != bool(args.peer_data):
        parser.error('--peer-python and --peer-data go together')

    times: dict[str, list[float]] = {}
    memory: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        commands = {}
        if args.peer_python:
            commands[f'Ultralytics {args.peer_model}'] = [
                str(args.peer_python), str(PEERS / 'ultralytics_training.py'),
                '--model', args.peer_model, '--data', str(args.peer_data.resolve()),
                '--size', str(args.size), '--batch', str(args.batch),
                '--workers', str(args.workers), '--iterations', str(args.iterations),
                '--project', scratch]
        for config in args.configs:
            commands[Path(config).stem] = [
                sys.executable, str(PEERS / 'own_training.py'), config,
                '--iterations', str(args.iterations), '--work-dir', scratch, '--cfg-options',
                f'train_dataloader.batch_size={args.batch}',
                f'train_dataloader.num_workers={args.workers}', *args.cfg_options]
        for turn in range(args.rounds):
            for name, command in commands.items():
                seconds, peak = measure(command, args.skip)
                times.setdefault(name, []).extend(seconds)
                memory[name] = max(memory.get(name, 0), peak)
                print(f'round {turn + 1}/{args.rounds}: {name} '
                      f'{statistics.median(seconds):.3f} s', file=sys.stderr)

    medians = {name: statistics.median(values) for name, values in times.items()}
    first = next(iter(medians))
    table = Table(title=f'Training iteration, {args.size}x{args.size}, batch {args.batch}, '
                  f'{torch.get_num_threads()} threads')
    for column in ('model', 'median s', f'ratio to {first}', 'peak memory GiB'):
        table.add_column(column)
    rows = []
    for name, median in medians.items():
        rows.append(dict(model=name, median_s=median, ratio=median / medians[first],
                         peak_gib=memory[name], iterations=len(times[name])))
        table.add_row(name, f'{median:.3f}', f'{median / medians[first]:.2f}',
                      f'{memory[name]:.2f}')
    Console().print(table)
    if args.json:
        write_json(args.json, dict(machine=platform.processor() or platform.machine(),
                                   torch=torch.__version__, rows=rows), indent=1)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
