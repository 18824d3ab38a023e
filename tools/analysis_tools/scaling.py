"""How time and memory grow with the input's size, the batch and the instances in the frame.

    python tools/analysis_tools/scaling.py out/end2end.onnx --json scaling.json \\
        --docs docs/speed.md --table scaling --plot docs/images/scaling.svg

Takes a dynamic raw export of tools/deploy.py. Every point of size and batch runs in a process of
its own, whose memory it has to itself. Post-processing gets made-up outputs with so many
instances, 24 pixels wide, in a grid. Times are processor time of the process and its threads, which
other work on the machine does not add to. The exponent is the slope of log(time) over log(pixels,
images or instances): 1 is linear.

Exit code: 0, 1 when post-processing grows by more than --limit, 2 on wrong input.
"""
from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import psutil

from medseg.cli import reports_user_errors
from medseg.errors import UserError
from medseg.io import write_json, write_text
from medseg.runtime.metadata import parse
from medseg.runtime.postprocess import Postprocessor
from medseg.runtime.preprocess import Geometry
from medseg.runtime.session import open_session
from medseg.tables import fill, markdown, require_place

#: Side of a made-up instance and distance to the next, in pixels of a 640x640 input.
SIDE, STEP, SIZE = 24, 32, 640


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('model', type=Path, help='dynamic raw export: .onnx, or .xml of OpenVINO')
    parser.add_argument('--backend', default='auto', help='onnxruntime, openvino or auto')
    parser.add_argument('--sizes', type=int, nargs='+', default=[320, 448, 640, 896, 1280],
                        metavar='PIXELS', help='multiples of 32 (default: %(default)s)')
    parser.add_argument('--batches', type=int, nargs='+', default=[1, 2, 4, 8, 16],
                        help='images at 320x320 (default: %(default)s)')
    parser.add_argument('--instances', type=int, nargs='+',
                        default=[0, 10, 30, 100, 200, 300], help='up to 400 (default: %(default)s)')
    parser.add_argument('--threads', type=int, default=1, help='of the backend (default: 1)')
    parser.add_argument('--calls', type=int, default=5, help='timed calls a point (default: 5)')
    parser.add_argument('--limit', type=float, default=1.1, help='largest exponent of '
                        'post-processing, from its middle point on (default: 1.1)')
    parser.add_argument('--json', type=Path, help='write all figures here')
    parser.add_argument('--docs', type=Path, help='put the table into this document')
    parser.add_argument('--table', default='scaling', help='its place there (default: scaling)')
    parser.add_argument('--plot', type=Path, metavar='FILE.svg', help='draw the curves')
    parser.add_argument('--point', type=int, nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def check(args: argparse.Namespace) -> None:
    """Complain before anything is measured.

    Raises:
        UserError: See the messages.
    """
    most = (SIZE // STEP) ** 2
    if any(size < 32 or size % 32 for size in args.sizes):
        raise UserError(f'--sizes {args.sizes}: must be multiples of 32')
    if min(*args.batches, args.threads, args.calls) < 1:
        raise UserError('--batches, --threads, --calls: must be at least 1')
    if min(args.instances) < 0 or max(args.instances) > most:
        raise UserError(f'--instances {args.instances}: must be 0 to {most}')
    if args.plot and args.plot.suffix != '.svg':
        raise UserError(f'--plot {args.plot}: the name must end in .svg')
    if args.docs:
        require_place(args.docs, args.table)


def processor_time(call: Callable[[], object], calls: int) -> float:
    """Median milliseconds of processor time of a call, after one to warm up."""
    call()
    times = []
    for _ in range(calls):
        start = time.process_time()
        call()
        times.append(1e3 * (time.process_time() - start))
    return statistics.median(times)


def network_point(args: argparse.Namespace) -> tuple[float, float]:
    """Milliseconds of a batch, and MiB that running it takes beyond the opened file."""
    batch, size = args.point
    session = open_session(args.model, args.backend, args.threads)
    process = psutil.Process()
    before = process.memory_info().rss
    name = session.inputs[0].name
    image = np.random.default_rng(0).random((batch, 3, size, size), dtype=np.float32)
    spent = processor_time(lambda: session.run({name: image}), args.calls)
    return spent, (process.memory_info().rss - before) / 2 ** 20


def in_its_own_process(args: argparse.Namespace, batch: int, size: int) -> tuple[float, float]:
    """:func:`network_point`, where no other point's memory is kept.

    Raises:
        UserError: It fails there, for want of memory perhaps.
    """
    words = [sys.executable, __file__, args.model, '--backend', args.backend, '--threads',
             args.threads, '--calls', args.calls, '--point', batch, size]
    done = subprocess.run([*map(str, words)], capture_output=True, text=True)
    if done.returncode:
        raise UserError(f'{args.model}: batch {batch} at {size}x{size} failed: '
                        + ' '.join(done.stderr.split())[-300:])
    return tuple(json.loads(done.stdout))


def made_up_outputs(count: int, num_classes: int, num_protos: int) -> dict[str, np.ndarray]:
    """Raw outputs for 640x640 with so many squares in a grid, each found by three locations."""
    rng = np.random.default_rng(0)
    locations = sum((SIZE // stride) ** 2 for stride in (8, 16, 32))
    places = np.arange(count)
    corner = np.stack([places % (SIZE // STEP), places // (SIZE // STEP)], 1) * STEP
    boxes = np.zeros((locations, 4), np.float32)
    scores = np.zeros((locations, num_classes), np.float32)
    for copy in range(3):
        rows = slice(copy * count, (copy + 1) * count)
        boxes[rows] = np.hstack([corner + copy, corner + SIDE + copy])
        scores[rows, 0] = 0.9 - 0.1 * copy
    return dict(
        boxes=boxes[None], scores=scores[None],
        coefficients=rng.standard_normal((1, locations, num_protos), np.float32),
        prototypes=rng.standard_normal((1, num_protos, SIZE // 4, SIZE // 4), np.float32))


def exponent(sizes: Sequence[float], times: Sequence[float]) -> float | None:
    """Slope of log(time) over log(size), by least squares; sizes of 0 are left out.

    None for fewer than two points.
    """
    kept = [(size, spent) for size, spent in zip(sizes, times, strict=True) if size > 0]
    if len(kept) < 2:
        return None
    return float(np.polyfit(*np.log(np.array(kept, float)).T, 1)[0])


def measure(args: argparse.Namespace) -> dict:
    """All three curves.

    Raises:
        UserError: The file is no dynamic raw export.
    """
    session = open_session(args.model, args.backend, args.threads)
    description = parse(session.description, str(args.model))
    if description['kind'] != 'raw' or description['input_size'] is not None:
        raise UserError(f'{args.model}: is no dynamic raw export; make one with '
                        'configs/deploy/instance-seg-raw_onnxruntime_dynamic.py')
    probe = session.run({session.inputs[0].name: np.zeros((1, 3, 64, 64), np.float32)})
    num_protos = probe['coefficients'].shape[-1]
    del session
    report: dict = dict(model=args.model.name, threads=args.threads, load=os.getloadavg()[0])
    for name, points in (('size', [(1, size) for size in args.sizes]),
                         ('batch', [(batch, 320) for batch in args.batches])):
        report[name] = []
        for batch, size in points:
            spent, memory = in_its_own_process(args, batch, size)
            report[name].append(dict(value=batch if name == 'batch' else size, ms=spent,
                                     mib=memory))
    settings = dict(description, max_per_img=max(*args.instances, 1))
    reader = Postprocessor(settings, 0.5)
    geometry = Geometry((SIZE, SIZE), (SIZE, SIZE), (SIZE, SIZE))
    report['instances'] = []
    for count in args.instances:
        outputs = made_up_outputs(count, len(description['classes']), num_protos)
        found = len(reader(outputs, geometry))
        if found != count:
            raise RuntimeError(f'{found} instances found of {count} made up')
        report['instances'].append(dict(value=count, ms=processor_time(
            lambda outputs=outputs: reader(outputs, geometry), args.calls)))
    report['exponents'] = dict(
        size=exponent([p['value'] ** 2 for p in report['size']], [p['ms'] for p in report['size']]),
        batch=exponent([p['value'] for p in report['batch']], [p['ms'] for p in report['batch']]))
    # Below some dozens of instances the fixed part hides the growth.
    late = report['instances'][len(report['instances']) // 2:]
    report['exponents']['instances'] = exponent([p['value'] for p in late], [p['ms'] for p in late])
    return report


def table(report: dict) -> str:
    """One row a point."""
    titles = dict(size='input {0}×{0}, batch 1', batch='batch {0}, 320×320',
                  instances='post-processing, {0} instances')
    rows = [[title.format(point['value']), f'{point["ms"]:.1f}',
             f'{point["mib"]:.0f}' if 'mib' in point else '']
            for name, title in titles.items() for point in report[name]]
    found = {name: 'unknown' if slope is None else f'{slope:.2f}'
             for name, slope in report['exponents'].items()}
    return (markdown(['what', 'ms', 'MiB'], rows) + '\n\nMedian processor time and memory beyond '
            f'the opened file; {report["model"]}, {report["threads"]} threads, load average at '
            f'the start {report["load"]:.1f}. Exponents: {found["size"]} over pixels, '
            f'{found["batch"]} over images, {found["instances"]} over instances.')


def plot(report: dict) -> str:
    """Time over pixels, images and instances, as SVG."""
    # Here, as each point's process would load matplotlib for nothing.
    from medseg.benchmark.plots import growth
    curves = {}
    for name, axis, title in (('size', 'pixels', 'batch 1'), ('batch', 'images', '320×320')):
        sizes = [point['value'] ** (2 if name == 'size' else 1) for point in report[name]]
        curves[f'time, {title}'] = sizes, [point['ms'] for point in report[name]], axis
    points = report['instances']
    curves['post-processing'] = ([point['value'] for point in points],
                                 [point['ms'] for point in points], 'instances')
    return growth(curves, 'ms of processor time')


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Measure; returns the exit code described above."""
    args = parse_args(argv)
    if args.point:
        print(json.dumps(network_point(args)))
        return 0
    check(args)
    report = measure(args)
    text = table(report)
    print(text)
    if args.json:
        write_json(args.json, report, indent=1)
    if args.plot:
        write_text(args.plot, plot(report) + '\n')
    if args.docs:
        fill(args.docs, args.table, text)
    slope = report['exponents']['instances']
    return int(slope is not None and slope > args.limit)


if __name__ == '__main__':
    raise SystemExit(main())
