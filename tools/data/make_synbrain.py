"""Make SynBrain, the embedded 3-D data set: patients from one real head, with nested lesions."""
from __future__ import annotations

import argparse
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from medseg.cli import reports_user_errors
from medseg.errors import UserError
from projects.lightmedseg.datasets.synbrain import generate


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='Writes images/, labels_lesion/, labels_tissue/ and a Decathlon list per task, '
               'dataset_lesion.json and dataset_tissue.json, split by patient. Patients that are '
               'there already are kept: run the same command again to take up an interrupted run.')
    parser.add_argument('out', type=Path, metavar='OUT', help='folder of the data set')
    parser.add_argument('--patients', type=int, default=60, help='patients (default: %(default)s)')
    parser.add_argument('--size', type=int, default=128,
                        help='voxels per side; the field of view stays at 192 mm '
                             '(default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0,
                        help='seed of the set (default: %(default)s)')
    parser.add_argument('--workers', type=int, default=1,
                        help='processes; the result does not depend on it (default: %(default)s)')
    parser.add_argument('--overwrite', action='store_true',
                        help='make everything anew, also in a folder that was not made by this '
                             'tool; files of other names stay')
    return parser.parse_args(argv)


@reports_user_errors
def main(argv: list[str] | None = None) -> int:
    """Run the tool; return the exit code."""
    args = parse_args(argv)
    console, start = Console(), time.perf_counter()
    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(),
               TimeRemainingColumn())
    try:
        with Progress(*columns, console=console) as bar:
            task = bar.add_task('SynBrain', total=args.patients)
            summary = generate(
                args.out, args.patients, args.seed, args.size, args.workers,
                lambda done, total: bar.update(task, completed=done, total=total), args.overwrite)
    except (FileExistsError, ValueError) as error:
        raise UserError(str(error)) from error
    seconds = time.perf_counter() - start
    per = f', {seconds / summary.made:.1f} s each' if summary.made else ''
    console.print(f'{args.out}: {summary.patients} patients '
                  f'({", ".join(f"{n} {name}" for name, n in summary.subsets.items())}); '
                  f'{summary.made} made{per}, {summary.patients - summary.made} kept')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
