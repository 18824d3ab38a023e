"""Overlays in seconds from the weights in the repository, without any training.

    python tools/predict.py                 # frames of SynPELD, made on the spot
    python tools/predict.py FOLDER          # your images, or a video

Without images: makes frames of synthetic patients that no training saw (--seed), predicts, and
draws input, ground truth and prediction side by side, also as one sheet. With images:
tools/infer.py with those weights. The config is the one that the weights name.
"""
from __future__ import annotations

import argparse
import time
from pathlib import Path

from medseg.cli import reports_user_errors, run_tool
from medseg.engine.checkpoint import read_checkpoint
from medseg.engine.publishing import config_of
from medseg.errors import UserError
from medseg.paths import shipped_root

WEIGHTS = shipped_root() / 'weights' / 'lmsfa-edge-n_synpeld.pth'


def parse_args(argv=None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('images', type=Path, nargs='?', help='image, folder of images, or video '
                        '(default: frames of SynPELD)')
    parser.add_argument('--weights', type=Path, default=WEIGHTS,
                        help=f'checkpoint (default: weights/{WEIGHTS.name})')
    parser.add_argument('--config', type=Path, help='its config, for weights that name none')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/predict'),
                        help='folder of the results (default: %(default)s)')
    parser.add_argument('--frames', type=int, default=6, help='synthetic frames, each of another '
                        'patient (default: %(default)s)')
    parser.add_argument('--size', default='540x360', help='of them (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=1_000_003,
                        help='of the patients; those of trainings are small (default: %(default)s)')
    parser.add_argument('--sheet', type=Path, metavar='FILE', help='the sheet, .png or .jpg '
                        '(default: OUT/sheet.png)')
    return parser.parse_args(argv)


def make_frames(out: Path, frames: int, size: str, seed: int) -> tuple[Path, Path]:
    """Synthetic frames; returns their annotation file and their folder."""
    name = f'synpeld-{seed}-{frames}x{size}'
    raw, data = out / f'{name}-labelme', out / name
    annotations = data / 'annotations/instances_all.json'
    if annotations.is_file():
        return annotations, data / 'images'
    run_tool('tools/data/make_synpeld.py', raw, '--patients', frames, '--frames', 1,
             '--size', size, '--seed', seed)
    run_tool('tools/data/labelme.py', raw, data, '--classes', 'peld')
    return annotations, data / 'images'


@reports_user_errors
def main(argv=None) -> int:
    """Predict; returns the exit code."""
    args, start = parse_args(argv), time.time()
    if not args.weights.is_file():
        there = ', '.join(str(path) for path in sorted(WEIGHTS.parent.glob('*.pth')))
        raise UserError(f'{args.weights}: no such file; name other weights with --weights'
                        f'{f" (there are {there})" if there else ""}')
    weights, out = args.weights.resolve(), args.out.resolve()
    config = args.config.resolve() if args.config else config_of(
        read_checkpoint(weights), args.weights, shipped_root())
    results = out / 'predictions'  # apart from the frames: infer.py takes nothing below --out
    if args.images is not None:
        run_tool('tools/infer.py', config, weights, args.images.resolve(), '--out', results)
    else:
        annotations, images = make_frames(out, args.frames, args.size, args.seed)
        sheet = args.sheet.resolve() if args.sheet else out / 'sheet.png'
        run_tool('tools/infer.py', config, weights, images, '--out', results, '--ann', annotations)
        run_tool('tools/analysis_tools/side_by_side.py', annotations, '--images', images,
                 '--predictions', results / 'predictions.json', '--out', out / 'side_by_side',
                 '--sheet', sheet)
        print(f'Input, ground truth, prediction: {sheet}')
    print(f'Overlays: {results / "overlays"}; records: {results / "predictions.json"}')
    print(f'Took {time.time() - start:.0f} seconds.')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
