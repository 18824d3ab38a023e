"""Time the runtime's preprocessing, network and post-processing on frames of one size.

Frames are made up (--image takes a real one). The instances that post-processing has to draw come
from the model; --instances puts that many on the frame instead, ellipses of --extent times the
frame's sides, so that the cost can be had for a model without training.

example:
  python tools/analysis_tools/profile_runtime.py raw.onnx --size 1080x720 --instances 10
"""
from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from medseg.errors import UserError
from medseg.io import write_json
from medseg.runtime import ModelError, Segmenter
from medseg.runtime.segmenter import SCORE_THR
from medseg.runtime.session import BACKENDS


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('model', type=Path, help='.onnx or .xml file of tools/deploy.py')
    parser.add_argument('--size', default='1080x720', metavar='WxH')
    parser.add_argument('--image', type=Path, help='a real frame; resized to --size')
    parser.add_argument('--instances', type=int, help='how many to plant (raw exports alone)')
    parser.add_argument('--extent', type=float, default=0.3,
                        help='sides of a planted instance as part of the frame (default: 0.3)')
    parser.add_argument('--backend', choices=('auto', *BACKENDS), default='auto')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--score-thr', type=float, default=SCORE_THR,
                        help=f'default: {SCORE_THR}; evaluation uses 0.001')
    parser.add_argument('--calls', type=int, default=50)
    parser.add_argument('--json', type=Path, help='write the figures here')
    args = parser.parse_args(argv)
    try:
        width, height = (int(side) for side in args.size.lower().split('x'))
    except ValueError:
        parser.error(f'--size {args.size}: must be WxH, such as 1080x720')
    args.size = (width, height)
    return args


def plant(outputs: dict[str, np.ndarray], count: int, extent: float, padded: Sequence[int],
          resized: Sequence[int], prototypes_last: bool = False) -> dict[str, np.ndarray]:
    """Raw outputs that hold exactly ``count`` instances.

    Each is an ellipse in a prototype of its own part of the channels, in a random place.
    """
    rng = np.random.default_rng(0)
    made = {name: values.copy() for name, values in outputs.items()}
    made['scores'][:] = 0
    protos = made['prototypes'][0]
    if prototypes_last:
        protos = np.moveaxis(protos, -1, 0)  # a view: what is written below goes to `made`
    scale = protos.shape[1] / padded[0]
    for i in range(count):
        half_w, half_h = resized[1] * extent / 2, resized[0] * extent / 2
        x = rng.uniform(half_w, resized[1] - half_w)
        y = rng.uniform(half_h, resized[0] - half_h)
        made['boxes'][0, i] = x - half_w, y - half_h, x + half_w, y + half_h
        made['scores'][0, i, i % made['scores'].shape[2]] = 0.9 - 0.001 * i
        channel = i % len(protos)
        made['coefficients'][0, i] = 0
        made['coefficients'][0, i, channel] = 1
        if i < len(protos):
            rows, cols = np.ogrid[:protos.shape[1], :protos.shape[2]]
            protos[channel] = 8 * (1 - ((cols / scale - x) / half_w) ** 2
                                   - ((rows / scale - y) / half_h) ** 2)
    return made


def profile(segmenter: Segmenter, image: np.ndarray, args: argparse.Namespace) -> dict:
    """Milliseconds of each part, and how many instances there were."""
    blob, geometry = segmenter.preprocess(image)
    name = segmenter.session.inputs[0].name
    outputs = {key: np.array(value) for key, value in segmenter.session.run({name: blob}).items()}
    if args.instances is not None:
        if segmenter.metadata['kind'] != 'raw':
            raise ModelError(f'{args.model}: --instances needs a raw export')
        outputs = plant(outputs, args.instances, args.extent, geometry.padded, geometry.resized,
                        segmenter.metadata.get('prototypes_last', False))
    parts: dict[str, list[float]] = {'preprocessing': [], 'network': [], 'postprocessing': []}
    for turn in range(args.calls + 3):
        marks = [time.perf_counter()]
        blob, geometry = segmenter.preprocess(image)
        marks.append(time.perf_counter())
        found = segmenter.session.run({name: blob})
        marks.append(time.perf_counter())
        found = segmenter.postprocess(found if args.instances is None else outputs, geometry)
        marks.append(time.perf_counter())
        if turn >= 3:
            for part, start, end in zip(parts, marks, marks[1:], strict=False):
                parts[part].append(1e3 * (end - start))
    medians = {part: statistics.median(times) for part, times in parts.items()}
    around = medians['preprocessing'] + medians['postprocessing']
    return dict(model=args.model.name, width=args.size[0], height=args.size[1],
                input=list(geometry.padded), instances=len(found), threads=args.threads,
                score_thr=args.score_thr, milliseconds=medians,
                around_by_network=around / medians['network'])


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; returns 0, or 2 on wrong input."""
    args = parse_args(argv)
    cv2.setNumThreads(args.threads)
    try:
        segmenter = Segmenter(args.model, args.backend, args.threads, args.score_thr)
        if args.image is None:
            noise = np.random.default_rng(0).integers(0, 256, (9, 13, 3), np.uint8)
        else:
            noise = cv2.imdecode(np.fromfile(args.image, np.uint8), cv2.IMREAD_COLOR)
            if noise is None:
                raise ModelError(f'{args.image}: is no image that OpenCV can decode')
        image = cv2.resize(noise, args.size, interpolation=cv2.INTER_CUBIC)
        report = profile(segmenter, image, args)
    except (UserError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    print(f'{args.size[0]}x{args.size[1]}, network input {report["input"][1]}x'
          f'{report["input"][0]}, {report["instances"]} instances, {args.threads} threads, '
          f'score above {args.score_thr}')
    for part, value in report['milliseconds'].items():
        print(f'{part:15s} {value:7.2f} ms')
    print(f'pre- and post-processing: {report["around_by_network"]:.1%} of the network')
    if args.json:
        write_json(args.json, report, indent=1)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
