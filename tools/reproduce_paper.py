"""Train, test and measure everything that Tables II to VIII of the LMSF-A paper print.

    python tools/reproduce_paper.py --data-root data/peld --dry-run
    python tools/reproduce_paper.py --data-root data/peld --out work_dirs/paper
    python tools/reproduce_paper.py --data-root data/synpeld --budget 3 --size 128 --tables III \\
        --out work_dirs/reduced

DATA is split by patient (tools/data/split.py). The trainings are those of tools/benchmark.py, in
one folder for all tables; what is finished is not run again: call the same command again to go on.
OUT/paper_tables.md holds the tables, ours beside the paper's, with 95 % intervals over the test
patients. --dry-run lists the trainings with an estimate of their time, which finished trainings in
OUT calibrate. Accuracies can be compared with the paper's on PELD alone.
"""
from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from medseg.benchmark.machine import pick_device
from medseg.cli import load_config, reports_user_errors
from medseg.engine import compat
from medseg.errors import UserError
from medseg.io import read_json, write_text
from medseg.paths import shipped_root
from projects.lmsfa.paper import reproduction

BENCHMARK = Path(__file__).with_name('benchmark.py')
MEASURES = ('complexity', 'latency', 'memory')


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data-root', type=Path, required=True, metavar='DATA',
                        help='folder of the data set: annotations/instances_{train,val,test}.json '
                        'and images/')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/paper'),
                        help='folder of everything that is written (default: %(default)s)')
    numbers = [table.number for table in reproduction.TABLES]
    parser.add_argument('--tables', nargs='+', choices=numbers, default=[], metavar='TABLE',
                        help=f'of {", ".join(numbers)} (default: all)')
    parser.add_argument('--only', nargs='+', default=[], metavar='CONFIG',
                        help='train these configs of the tables alone')
    parser.add_argument('--budget', type=int, metavar='EPOCHS',
                        help="length of each training (default: the configs' own 300)")
    parser.add_argument('--size', type=int, metavar='PIXELS',
                        help="side of the input in training (default: the configs' own 640)")
    parser.add_argument('--recipe', default='config',
                        help="config: the paper's; adamw, sgd: see tools/benchmark.py "
                        '(default: %(default)s)')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0], help='default: 0')
    parser.add_argument('--jobs', type=int, default=1, help='trainings at a time (default: 1)')
    parser.add_argument('--num-workers', type=int, default=2,
                        help='loader processes of each training (default: %(default)s)')
    parser.add_argument('--device', help='such as cpu or cuda:0 (default: what the machine has)')
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision')
    parser.add_argument('--measure', nargs='*', choices=MEASURES,
                        default=['complexity', 'latency'],
                        help='beside accuracy (default: complexity latency)')
    parser.add_argument('--time-limit', type=float, metavar='MINUTES',
                        help='stop the trainings cleanly then; the same command goes on later')
    parser.add_argument('--dry-run', action='store_true',
                        help='list the trainings and the estimate; train and write nothing but '
                        'the counts of operations')
    args = parser.parse_args(argv)
    for name in ('budget', 'size', 'jobs'):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            parser.error(f'--{name} must be at least 1')
    return args


def described(root: Path) -> tuple[list[Path], str]:
    """Files of the training images, and what the set holds in a line.

    Raises:
        UserError: A part of the split, or an image, is missing.
    """
    parts = {}
    for subset in ('train', 'val', 'test'):
        path = root / 'annotations' / f'instances_{subset}.json'
        if not path.is_file():
            raise UserError(f'{path}: no such file; convert and split the set as docs/peld.md '
                            f'says: python tools/data/split.py {root} {root}')
        parts[subset] = read_json(path)
    images, instances = (sum(len(part[key]) for part in parts.values())
                         for key in ('images', 'annotations'))
    sizes = ' / '.join(str(len(part['images'])) for part in parts.values())
    files = [root / 'images' / image['file_name'] for image in parts['train']['images']]
    absent = next((path for path in files if not path.is_file()), None)
    if absent is not None:
        raise UserError(f'{absent}: no such image; the annotation files name it')
    return files, (
        f'{root.name}: {images} images ({sizes}), {instances} instances (the paper: 610 images, '
        '490 / 60 / 60, 1677 instances)')


def say(line: str) -> None:
    """Tell the user on stderr how it goes."""
    Console(stderr=True).print(line, highlight=False, soft_wrap=True, markup=False)


def benchmark(*words: str | Path) -> int:
    """Run tools/benchmark.py; returns its exit code."""
    return subprocess.call([sys.executable, str(BENCHMARK), *map(str, words)])


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Reproduce; returns the exit code."""
    args = parse_args(argv)
    compat.setup()
    tables = reproduction.chosen(args.tables)
    configs = reproduction.needed_configs(tables, args.only)
    files, text = described(args.data_root)
    example = load_config(str(shipped_root() / configs[0]))
    epochs, size = args.budget or example.train_cfg.max_epochs, args.size or 640
    say(f'{len(configs)} configs, {len(args.seeds)} seeds, {epochs} epochs at {size}x{size}; '
        f'{text}')
    with Console(stderr=True).status('counting operations'):
        gflops = reproduction.operations(configs, args.out / 'operations.json', size)
    results = args.out / 'results.json'
    finished = [run for run in read_json(results)['runs']
                if run['seed'] in args.seeds] if results.is_file() else []
    minutes = reproduction.estimate(
        gflops, len(files), epochs, len(args.seeds),
        reproduction.step_rate(str(pick_device(args.device)), size),
        reproduction.load_seconds(files), args.num_workers, finished)
    plan = reproduction.plan_table(gflops, minutes)
    print(plan)
    say(f'estimated training: {reproduction.duration(sum(minutes.values()) / args.jobs)} with '
        f'{args.jobs} at a time on this machine; right within a factor of two until a training '
        'is finished')
    if args.dry_run:
        return 0
    device = ['--device', args.device] if args.device else []
    extra = [*device, '--num-workers', str(args.num_workers)]
    train = ['--train', '--budget', str(epochs), '--recipe', args.recipe, '--val-interval', '0',
             '--data-root', args.data_root, '--jobs', str(args.jobs), '--seeds',
             *map(str, args.seeds), '--out', args.out]
    train += ['--train-size', str(args.size)] if args.size else []
    train += ['--time-limit', str(args.time_limit)] if args.time_limit else []
    train += ['--amp'] if args.amp else []
    code = benchmark(*(shipped_root() / config for config in configs), *train, *extra)
    if code in (2, 130):
        return code
    parts = [text]
    for suite in dict.fromkeys(table.suite for table in tables):
        measures = args.measure or ['none']
        folder = args.out / suite
        if benchmark('--suite', suite, '--only', *measures, '--paper-data', '--results', results,
                     '--out', folder, '--ignore-errors', *extra) not in (0, 1):
            raise UserError(f'{folder}: the report of {suite} could not be made; see above')
    for table in tables:
        rows = read_json(args.out / table.suite / 'report.json')['rows']
        parts.append(reproduction.side_by_side(
            table, [row for row in rows if not args.only or Path(row['config']).stem in args.only]))
    parts.append(f'{epochs} epochs at {size}x{size}, recipe {args.recipe}, seeds '
                 f'{", ".join(map(str, args.seeds))}. In brackets 95 % intervals over the test '
                 "set. On other data than PELD the accuracies say nothing about the paper's.")
    document = '\n\n'.join(parts)
    write_text(args.out / 'paper_tables.md', document + '\n')
    print(document)
    return code


if __name__ == '__main__':
    raise SystemExit(main())
