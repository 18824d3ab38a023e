"""Make SynPELD, a synthetic stand-in for PELD: endoscopic images and LabelMe annotations.

With --video: clips of a moving scope with a true mask in every frame.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from medseg.cli import reports_user_errors
from medseg.errors import UserError
from medseg.runtime.records import encode_mask
from medseg.runtime.video import VideoWriter
from projects.lmsfa.datasets.synpeld import TABLE_I, TABLE_I_IMAGES, Summary, generate
from projects.lmsfa.datasets.synpeld.clip import RATE, Clip, TrueInstance
from projects.lmsfa.datasets.synpeld.families import FAMILIES


def _size(text: str) -> tuple[int, int]:
    """Parse ``WIDTHxHEIGHT``."""
    parts = text.lower().split('x')
    if len(parts) != 2 or not all(part.isdigit() for part in parts):
        raise argparse.ArgumentTypeError(f"'{text}' is not WIDTHxHEIGHT, as in 1080x720")
    return int(parts[0]), int(parts[1])


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='Images and annotations that are there already are kept: run the same command '
               'again to take up an interrupted run, or with more patients to extend a set.')
    parser.add_argument('out', type=Path, metavar='OUT', help='folder of the data set')
    parser.add_argument('--patients', type=int, default=61, help='patients (default: %(default)s)')
    parser.add_argument('--frames', type=int, default=10,
                        help='frames of each patient (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0,
                        help='seed of the set (default: %(default)s)')
    parser.add_argument('--size', type=_size, default=(1080, 720), metavar='WxH',
                        help='size of the images in pixels (default: 1080x720)')
    parser.add_argument('--workers', type=int, default=1,
                        help='processes; the result does not depend on it (default: %(default)s)')
    parser.add_argument('--families', nargs='+', choices=FAMILIES, default=[], metavar='FAMILY',
                        help='other optics and anatomies than the plain set, in turn by patient, '
                             'to test what a model makes of them: '
                             + '; '.join(f'{k}: {v.text}' for k, v in FAMILIES.items()))
    parser.add_argument('--overwrite', action='store_true',
                        help='make everything anew, also in a folder that was not made by this '
                             'tool; files of other names stay')
    parser.add_argument('--video', type=float, metavar='SECONDS',
                        help='make clips of a moving scope instead, one a patient: p001.mp4 and '
                             'p001.truth.jsonl with every structure of every frame')
    args = parser.parse_args(argv)
    if args.families and args.video is not None:
        parser.error('--families is for images; clips have the plain optics and anatomy')
    return args


def make_clips(args: argparse.Namespace, progress: Callable[[int, int], None]) -> int:
    """Make the clips that are missing; returns how many there are.

    Raises:
        FileExistsError: ``out`` is a file.
    """
    if args.out.exists() and not args.out.is_dir():
        raise FileExistsError(f'{args.out}: is a file; name a folder')
    total, done = round(args.video * RATE), 0
    for patient in range(1, args.patients + 1):
        target = args.out / f'p{patient:03d}.mp4'
        truth = target.with_suffix('.truth.jsonl')
        if not target.exists() or args.overwrite:
            part = truth.with_suffix('.part')
            with VideoWriter(target, RATE) as video:
                args.out.mkdir(parents=True, exist_ok=True)
                with part.open('w', encoding='utf-8') as lines:
                    frames = itertools.islice(Clip(args.seed, patient, size=args.size), total)
                    for number, (image, visible) in enumerate(frames):
                        video.write(image)
                        lines.write(json.dumps(truth_line(number, visible)) + '\n')
                        progress(done + number + 1, args.patients * total)
                part.replace(truth)  # the video comes last: whoever sees it finds its truth
        done += total
    return args.patients


def truth_line(number: int, visible: Sequence[TrueInstance]) -> dict:
    """What is to be seen in a frame, as ``python -m medseg.live.stability`` reads it."""
    return {'frame': number, 'objects': [
        {'number': item.number, 'category_name': item.label,
         'segmentation': encode_mask(item.mask),
         'motion': None if item.motion is None else item.motion.round(6).tolist()}
        for item in visible]}


def print_summary(console: Console, out: Path, summary: Summary, seconds: float) -> None:
    """Print what the set holds beside the paper's Table I in proportion."""
    table = Table(title=f'{out}: {summary.images} images')
    for heading, justify in (('class', 'left'), ('instances', 'right'), ('Table I', 'right')):
        table.add_column(heading, justify=justify)
    for label, count in summary.instances.items():
        expected = TABLE_I[label] * summary.images / TABLE_I_IMAGES
        table.add_row(label, str(count), f'{expected:.1f}')
    console.print(table)
    rate = f', {summary.made / seconds:.1f} a second' if summary.made else ''
    console.print(f'{summary.made} images made{rate}, {summary.images - summary.made} kept')


@reports_user_errors
def main(argv: list[str] | None = None) -> int:
    """Run the tool; return the exit code."""
    args = parse_args(argv)
    console, start = Console(), time.perf_counter()
    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(),
               TimeRemainingColumn())
    if args.video is not None and args.video * RATE < 1:
        raise UserError(f'--video {args.video:g}: is less than a frame')
    try:
        with Progress(*columns, console=console) as bar:
            task = bar.add_task('SynPELD', total=args.patients * args.frames)
            if args.video is not None:
                clips = make_clips(
                    args, lambda done, total: bar.update(task, completed=done, total=total))
                console.print(f'{args.out}: {clips} clips of {args.video:g} seconds')
                return 0
            summary = generate(
                args.out, args.patients, args.frames, args.seed, args.size, args.workers,
                lambda done, total: bar.update(task, completed=done, total=total), args.overwrite,
                args.families)
    except (FileExistsError, ValueError) as error:
        raise UserError(str(error)) from error
    print_summary(console, args.out, summary, time.perf_counter() - start)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
