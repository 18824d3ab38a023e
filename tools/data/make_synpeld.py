"""Make SynPELD, a synthetic stand-in for PELD: endoscopic images and LabelMe annotations."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from projects.lmsfa.datasets.synpeld import TABLE_I, TABLE_I_IMAGES, Summary, generate


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
    parser.add_argument('--overwrite', action='store_true',
                        help='make everything anew, also in a folder that was not made by this '
                             'tool; files of other names stay')
    return parser.parse_args(argv)


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


def main(argv: list[str] | None = None) -> int:
    """Run the tool; return the exit code."""
    args = parse_args(argv)
    console, start = Console(), time.perf_counter()
    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(),
               TimeRemainingColumn())
    try:
        with Progress(*columns, console=console) as bar:
            task = bar.add_task('SynPELD', total=args.patients * args.frames)
            summary = generate(
                args.out, args.patients, args.frames, args.seed, args.size, args.workers,
                lambda done, total: bar.update(task, completed=done, total=total), args.overwrite)
    except (FileExistsError, ValueError) as error:
        print(f'make_synpeld.py: {error}', file=sys.stderr)
        return 2
    print_summary(console, args.out, summary, time.perf_counter() - start)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
