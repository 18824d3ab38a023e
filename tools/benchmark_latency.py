"""Measure the latency of model files against each other, in turn, round after round.

Takes any ONNX file (or .xml of OpenVINO) whose inputs are arrays: inputs are made from the graph's
own shapes, dynamic ones with --size, batch 1. In each round every model has one turn: one call to
warm up, then --calls timed ones. Absolute times differ between machines and hours; the ratios to
the first model, taken within each round, are what counts. On a machine that does other work take
--clock processor --threads 1: processor time, to which others do not add. Nothing here needs
PyTorch.

examples:
  python tools/benchmark_latency.py base=base.onnx lmsfa=lmsfa.onnx yolo11n-seg.onnx --threads 2
  python tools/benchmark_latency.py a.onnx b.onnx --backends openvino --json latency.json \\
      --docs docs/latency.md --table latency
"""
from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from medseg.errors import UserError
from medseg.io import write_json
from medseg.runtime.processor import cpu_name
from medseg.runtime.session import (
    BACKENDS,
    Input,
    ModelError,
    backend_version,
    installed_backends,
    open_session,
)
from medseg.tables import fill, markdown

CLOCKS = ('wall', 'processor')
NAMES = {'onnxruntime': 'ONNX Runtime', 'openvino': 'OpenVINO'}


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('models', nargs='+', metavar='[LABEL=]FILE',
                        help='model files; ratios are to the first')
    parser.add_argument('--threads', type=int, default=2, help='threads (default: 2)')
    parser.add_argument('--rounds', type=int, default=50, help='turns of each model (default: 50)')
    parser.add_argument('--calls', type=int, default=4, help='timed calls a turn (default: 4)')
    parser.add_argument('--clock', choices=CLOCKS, default='wall', help='wall: what passes; '
                        "processor: what this process's threads use together (default: wall)")
    parser.add_argument('--size', default='640', metavar='N or WxH',
                        help='height and width where they are dynamic (default: 640)')
    parser.add_argument('--backends', nargs='+', choices=BACKENDS, default=list(BACKENDS),
                        help='default: %(default)s')
    parser.add_argument('--json', type=Path, help='write all figures here')
    parser.add_argument('--docs', type=Path, help='put the table into this document')
    parser.add_argument('--table', default='latency',
                        help='name of its place there (default: latency)')
    args = parser.parse_args(argv)
    for name in ('threads', 'rounds', 'calls'):
        if getattr(args, name) < 1:
            parser.error(f'--{name} {getattr(args, name)}: must be at least 1')
    try:
        sides = [int(side) for side in args.size.lower().split('x')]
        args.size = (sides[-1], sides[0])
    except ValueError:
        parser.error(f'--size {args.size}: must be a number such as 640, or WxH such as 640x448')
    if len(sides) > 2 or min(sides) < 1:
        parser.error('--size: must be one or two positive numbers')
    return args


def make_input(spec: Input, size: tuple[int, int], path: str) -> np.ndarray:
    """An array for an input of a graph.

    Args:
        spec (Input): Its shape, None where dynamic.
        size (tuple[int, int]): Height and width for dynamic last axes of images.
        path (str): Of the model, for messages.

    Returns:
        np.ndarray: Smooth noise from 0 to 1 for float inputs (pixel-wise noise drives some models
        into numbers that no image does), zeros for others.

    Raises:
        ModelError: A dimension is dynamic and nothing says what it should be.
    """
    usual = (1, 3, *size)
    if len(spec.shape) != 4 and None in spec.shape[1:]:
        raise ModelError(f'{path}: input {spec.name} has the shape {spec.shape}; only images '
                         '(batch, 3, height, width) may have dynamic sides')
    shape = tuple(usual[i] if side is None else side for i, side in enumerate(spec.shape))
    if not np.issubdtype(spec.dtype, np.floating):
        return np.zeros(shape, spec.dtype)
    values = np.random.default_rng(0).random(shape)
    for axis in (-2, -1):
        if len(shape) == 4 and shape[axis] > 16:
            values = sum(np.roll(values, shift, axis) for shift in range(16)) / 16
    return values.astype(spec.dtype)


def label_and_path(text: str) -> tuple[str, str]:
    """``LABEL=FILE`` taken apart; the file's name without ending is the default label."""
    label, found, path = text.partition('=')
    return (label, path) if found and label else (Path(text).stem, text)


def percentile(values: Sequence[float], percent: float) -> float:
    return float(np.percentile(np.asarray(values), percent))


def measure(calls: dict[str, Callable[[], object]], rounds: int, per_turn: int,
            title: str, clock: str = 'wall') -> list[dict]:
    """Time callables in turn.

    The order turns round from one round to the next, so that no model always follows the same.

    Args:
        calls (dict[str, Callable]): What to time, by label; the first is the reference.
        rounds (int): Turns of each.
        per_turn (int): Timed calls a turn.
        title (str): Of the progress bar.
        clock (str): One of :data:`CLOCKS`.

    Returns:
        list[dict]: In the order of ``calls``: ``model``, ``median_ms``, ``p95_ms``, ``min_ms``,
        ``ratio`` (the median over the rounds of the turn's median by the reference's in that
        round) and ``ratio_low``, ``ratio_high``, the quartiles of the rounds' ratios.
    """
    now = time.perf_counter if clock == 'wall' else time.process_time
    labels = list(calls)
    turns: dict[str, list[list[float]]] = {label: [] for label in labels}
    for call in calls.values():
        for _ in range(3):
            call()
    for turn in track(range(rounds), title, console=Console(stderr=True), transient=True,
                      disable=not sys.stderr.isatty()):
        for label in labels if turn % 2 == 0 else labels[::-1]:
            call = calls[label]
            call()
            times = []
            for _ in range(per_turn):
                start = now()
                call()
                times.append(1e3 * (now() - start))
            turns[label].append(times)
    reference = [statistics.median(times) for times in turns[labels[0]]]
    rows = []
    for label in labels:
        flat = [value for times in turns[label] for value in times]
        ratios = [statistics.median(times) / base
                  for times, base in zip(turns[label], reference, strict=True)]
        rows.append(dict(
            model=label, median_ms=statistics.median(flat), p95_ms=percentile(flat, 95),
            min_ms=min(flat), ratio=statistics.median(ratios),
            ratio_low=percentile(ratios, 25), ratio_high=percentile(ratios, 75)))
    return rows


def machine(backends: Sequence[str], threads: int) -> dict:
    """What the figures were measured with."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    return dict(cpu=cpu_name(), cores=cores, threads=threads, python=platform.python_version(),
                load=os.getloadavg()[0] if hasattr(os, 'getloadavg') else 0.0,
                **{name: backend_version(name) for name in backends})


def table(results: dict[str, list[dict]]) -> str:
    """One row a model, three columns a backend."""
    header = ['model']
    for backend in results:
        header += [f'{NAMES[backend]}, ms', '95 %', 'ratio']
    lines = []
    for rows in zip(*results.values(), strict=True):
        line = [rows[0]['model']]
        for row in rows:
            line += [f'{row["median_ms"]:.1f}', f'{row["p95_ms"]:.1f}', f'{row["ratio"]:.2f}']
        lines.append(line)
    return markdown(header, lines)


def caption(report: dict) -> str:
    """Under what conditions a table was measured, as a line of Markdown."""
    about, size = report['machine'], report['size']
    versions = ', '.join(f'{NAMES[backend]} {about[backend]}' for backend in report['results'])
    return (f'Medians, 95th percentiles and ratios to the first row; {about["cpu"]}, '
            f'{about["cores"]} cores, {about["threads"]} threads, {versions}; inputs of '
            f'{size["width"]}×{size["height"]}; {report["rounds"]} rounds of {report["calls"]} '
            f'calls, {report["clock"]} time; load average at the start {about["load"]:.1f}.')


def run(args: argparse.Namespace) -> dict:
    """Open, measure and print.

    Raises:
        ModelError: A file cannot be used, or no backend is installed.
    """
    files = [label_and_path(text) for text in args.models]
    if len({label for label, _ in files}) < len(files):
        raise ModelError('two models have one label; give others with LABEL=FILE')
    backends = [name for name in args.backends if name in installed_backends()]
    if not backends:
        raise ModelError(f'none of {", ".join(args.backends)} is installed; '
                         f'pip install {args.backends[0]}')
    for name in set(args.backends) - set(backends):
        print(f'{name} is not installed: left out', file=sys.stderr)
    about = machine(backends, args.threads)
    print(', '.join(f'{key} {value}' for key, value in about.items()))
    calls: dict[str, dict] = {backend: {} for backend in backends}
    for backend in backends:  # all before the first is timed: a bad file must not cost minutes
        for label, path in files:
            session = open_session(path, backend, args.threads)
            feeds = {spec.name: make_input(spec, args.size, path) for spec in session.inputs}
            calls[backend][label] = lambda session=session, feeds=feeds: session.run(feeds)
    results = {backend: measure(calls[backend], args.rounds, args.calls, backend, args.clock)
               for backend in backends}
    return dict(machine=about, rounds=args.rounds, calls=args.calls, clock=args.clock,
                size=dict(height=args.size[0], width=args.size[1]),
                models={label: Path(path).name for label, path in files}, results=results)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; returns 0, or 2 on wrong input."""
    args = parse_args(argv)
    try:
        report = run(args)
        text = f'{table(report["results"])}\n\n{caption(report)}'
        print(text)
        if args.json:
            write_json(args.json, report, indent=1)
        if args.docs:
            fill(args.docs, args.table, text)
    except (UserError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
