"""Measure or train any list of models under one set of rules.

    python tools/benchmark.py CONFIG [CHECKPOINT] CONFIG [CHECKPOINT] ... --out work_dirs/benchmark
    python tools/benchmark.py --suite table5 --size 640 --out work_dirs/table5
    python tools/benchmark.py --suite table5 --train --budget 30 --train-size 320 --recipe adamw \
        --data-root data/synpeld --jobs 8 --out work_dirs/table5
    python tools/benchmark.py CONFIG... --train --budget 30 --folds 5 --seeds 0 1 2 \
        --data-root data/peld --out work_dirs/folds

The first two measure size, memory, latency and, with checkpoints, accuracy, and write report.md,
report.csv, report.json and report.html; the others train and test, and write results.json after
every run. --folds puts the folds together in folds.md. What is finished is not run again: call the
same command again to go on. See docs/benchmark.md.
"""
from __future__ import annotations

import argparse
import itertools
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import DictAction
from mmengine.utils import import_modules_from_strings
from rich.console import Console
from rich.table import Table

from medseg.benchmark import machine, report, training
from medseg.benchmark.accuracy import join_results
from medseg.benchmark.html import html
from medseg.benchmark.measurements import MEASURES, Options, Session
from medseg.benchmark.model_lists import Entry, entries
from medseg.benchmark.plots import draw
from medseg.benchmark.pooling import fold_table, pool
from medseg.benchmark.references import TABLES
from medseg.cli import check_data, load_config, merge_options, reports_user_errors
from medseg.configs import datasets
from medseg.data.folds import check_folds
from medseg.engine import compat
from medseg.engine.adapt_config import adapt_config
from medseg.engine.work_dir import only_one
from medseg.errors import UserError
from medseg.io import read_json, write_json, write_text
from medseg.paths import shipped_root
from medseg.tables import fill

CONFIGS = shipped_root() / 'configs' / '_base_'
#: Modules that register what papers print.
REFERENCES = ('projects.lmsfa.paper', 'projects.hrmedseg.paper')
import_modules_from_strings(list(REFERENCES))


def parse_args(argv=None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('models', nargs='*', metavar='CONFIG [CHECKPOINT]',
                        help='configs, each followed by its checkpoint (.pth) if there is one')
    parser.add_argument('--suite', choices=sorted(TABLES),
                        help="the models of one of the paper's tables, beside those named")
    parser.add_argument('--out', type=Path, default=Path('work_dirs/benchmark'),
                        help='folder of everything that is written (default: %(default)s)')
    parser.add_argument('--device', help='such as cpu or cuda:0 (default: what the machine has)')
    parser.add_argument('--data-root', type=Path, help='folder of the data set, in the place of '
                        "the configs' own")
    parser.add_argument('--data', help='data set for all: dsb2018, peld or the path of a data '
                        "config (default: the configs' own)")
    parser.add_argument('--results', type=Path, nargs='+', default=[], metavar='FILE',
                        help='results.json of trainings, whose accuracy is shown (always among '
                        'them: that of --out)')
    parser.add_argument('--paper-data', action='store_true', help="the models are tested on the "
                        "paper's own data: show the accuracies that it prints beside ours")
    parser.add_argument('--title', help='heading of the report')
    parser.add_argument('--docs', type=Path, metavar='FILE',
                        help='also write a table into this document')
    parser.add_argument('--table', metavar='NAME', help='with --docs: between "<!-- table: NAME '
                        '-->" and "<!-- end of table -->"')
    parser.add_argument('--num-workers', type=int, default=2,
                        help='loader processes of each model (default: 2)')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings of every config')
    parser.add_argument('--ignore-errors', action='store_true',
                        help='exit with 0 even if a model failed')

    measure = parser.add_argument_group('measuring')
    measure.add_argument('--only', nargs='+', choices=(*MEASURES, 'none'), default=MEASURES,
                         help='what is measured (default: everything); none makes a report of '
                         'results alone')
    measure.add_argument('--size', type=int, default=640, metavar='PIXELS',
                         help='side of the input (default: 640)')
    measure.add_argument('--eval-size', type=int, metavar='PIXELS', help='side of the input when '
                         "the accuracy of checkpoints is measured (default: the configs' own)")
    measure.add_argument('--precision', nargs='+', choices=('fp32', 'fp16', 'bf16'),
                         default=['fp32'], help='for latency (default: fp32); what the device '
                         'does not have is noted')
    measure.add_argument('--no-fuse', dest='fuse', action='store_false',
                         help='time models as trained, not in their inference form')
    measure.add_argument('--rounds', type=int, default=3,
                         help='how often all models are timed in turn (default: 3)')
    measure.add_argument('--iterations', type=int, default=20,
                         help='timed predictions of a model in each round (default: 20)')
    measure.add_argument('--warm-up', type=int, default=5,
                         help='predictions before them (default: 5)')
    measure.add_argument('--batch', type=int, default=8,
                         help='images of the training step whose memory is measured (default: 8)')
    measure.add_argument('--timeout', type=float, default=1800, metavar='SECONDS',
                         help='longest time for one measurement (default: 1800)')

    train = parser.add_argument_group('training', 'every config under the same budget')
    train.add_argument('--train', action='store_true', help='train and test instead of measuring')
    train.add_argument('--budget', type=int, metavar='EPOCHS', help='epochs of each training')
    train.add_argument('--train-size', type=int, metavar='PIXELS',
                       help="side of the input (default: the configs' own)")
    train.add_argument('--recipe', default='config', help="config: each config's own optimiser and "
                       'schedule, stretched to the budget; adamw or sgd: the same for all; or the '
                       'path of a schedule config (default: config)')
    train.add_argument('--seeds', type=int, nargs='+', default=[0], help='default: 0')
    train.add_argument('--folds', type=int, metavar='K', help='train and test on each of the K '
                       'folds that split.py --folds K made in the data folder, and put them '
                       'together: every patient is tested once')
    train.add_argument('--ensemble', action='store_true', help='with --folds and several --seeds: '
                       "also fuse the seeds' predictions")
    train.add_argument('--jobs', type=int, default=1, help='trainings at a time (default: 1)')
    train.add_argument('--batch-size', type=int, nargs='+', metavar='N',
                       help="default: the configs' own; several: every config at each of them, on "
                       'the same number of images')
    train.add_argument('--accumulate-to', type=int, metavar='N', help='also train each smaller '
                       '--batch-size with gradients accumulated to N images per step')
    train.add_argument('--scale-lr', choices=('none', 'linear', 'sqrt'), help='learning rate by '
                       'the images of a step: in proportion (SGD), to their square root (Adam), '
                       'or unchanged; --batch-size with several sizes needs it')
    train.add_argument('--val-interval', type=int, metavar='EPOCHS',
                       help='epochs between validations; 0 for none (default: a third of the '
                       'budget)')
    train.add_argument('--amp', action='store_true',
                       help='automatic mixed precision (on a CPU: bfloat16)')
    train.add_argument('--time-limit', type=float, metavar='MINUTES',
                       help='stop cleanly then; the same command goes on later')
    args = parser.parse_args(argv)
    if args.train and (args.budget is None or args.budget < 1):
        parser.error('--train needs --budget EPOCHS, at least 1')
    study = len(args.batch_size or ()) > 1 or args.accumulate_to
    if study and not (args.batch_size and args.scale_lr):
        parser.error('several --batch-size, or --accumulate-to, need --batch-size and --scale-lr')
    if min([*(args.batch_size or ()), args.accumulate_to or 1]) < 1:
        parser.error('--batch-size and --accumulate-to must be at least 1')
    if args.accumulate_to and any(args.accumulate_to % n for n in args.batch_size):
        parser.error(f'--accumulate-to {args.accumulate_to}: is no multiple of every --batch-size')
    if args.ensemble and not args.folds:
        parser.error('--ensemble fuses the seeds of folds; for other predictions see '
                     'tools/analysis_tools/ensemble.py')
    if args.folds is not None and (args.folds < 2 or not args.train):
        parser.error('--folds needs --train and at least 2')
    for name in ('jobs', 'size', 'rounds', 'iterations', 'batch'):
        if getattr(args, name) < 1:
            parser.error(f'--{name} must be at least 1')
    if args.num_workers < 0 or args.warm_up < 0:
        parser.error('--num-workers and --warm-up must not be negative')
    if bool(args.docs) != bool(args.table):
        parser.error('--docs FILE and --table NAME go together')
    if not args.models and not args.suite:
        parser.error('name at least one config, or a --suite')
    args.data = _short(args.data, 'datasets', '_instance')
    args.data_root = args.data_root.resolve() if args.data_root else None
    return args


def _short(name: str | None, kind: str, suffix: str) -> str | None:
    """Path of a schedule or data config that is named by a word."""
    path = CONFIGS / kind / f'{name}{suffix}.py'
    return str(path) if name and path.is_file() else name


def batches(args: argparse.Namespace) -> list[tuple[str, int | None, int]]:
    """Name, images of a pass, and passes of a step, of each training that a config gets."""
    if not args.scale_lr:
        return [('', args.batch_size[0] if args.batch_size else None, 1)]
    found = [(f'batch{size}', size, 1) for size in args.batch_size]
    for size in args.batch_size:
        passes = (args.accumulate_to or 0) // size
        if passes > 1:
            found.append((f'batch{size}x{passes}', size, passes))
    return found


def prepare_runs(args: argparse.Namespace, models: Sequence[Entry]) -> list[training.Run]:
    """Every training with its config written.

    Raises:
        UserError: A config, the data or an earlier run in the folder does not fit.
    """
    recipe = _short(args.recipe, 'schedules', '_30e')
    settings = dict(epochs=args.budget, size=args.train_size, recipe=args.recipe,
                    data=Path(args.data).stem if args.data else None,
                    data_root=args.data_root.name if args.data_root else None,
                    batch_size=args.batch_size[0] if args.batch_size else None, amp=args.amp,
                    cfg_options=args.cfg_options or {})
    if args.folds:
        settings['folds'] = args.folds
    if args.scale_lr:
        settings.update(batch_size=None, scale_lr=args.scale_lr)
    runs, names = [], set()
    for entry, (variant, batch, accumulate), seed, fold in itertools.product(
            models, batches(args), args.seeds,
            range(1, args.folds + 1) if args.folds else [None]):
        name = entry.config
        run = training.Run(training.run_name(name, seed, fold, variant), name, seed, Path(),
                           settings, args.amp, fold, variant)
        if run.name in names:
            raise UserError(f'{name}: two configs would both be called {run.name}')
        names.add(run.name)
        run.folder = args.out.resolve() / 'train' / run.name
        try:
            config = load_config(name)
            if fold:
                check_folds(args.data_root or Path(next(datasets(
                    load_config(args.data) if args.data else config)).data_root), args.folds)
            config = adapt_config(
                config, size=args.train_size, epochs=args.budget,
                data=args.data, data_root=args.data_root, recipe=recipe,
                val_interval=args.val_interval, seed=seed, batch_size=batch,
                num_workers=args.num_workers, fold=fold, accumulate=accumulate,
                scale_lr=args.scale_lr, load=load_config)
        except ValueError as error:
            raise UserError(f'{name}: {error}') from error
        if entry.checkpoint:
            config.load_from = str(Path(entry.checkpoint).resolve())
        merge_options(config, args.cfg_options, name)
        check_data(config, ('train_dataloader', 'val_dataloader', 'test_dataloader'))
        training.prepare(run, config)
        runs.append(run)
    return runs


def train(args: argparse.Namespace, models: Sequence[Entry]) -> int:
    """Train and test; returns the exit code."""
    def stop(signum, frame):
        raise KeyboardInterrupt

    with only_one(args.out, 'benchmark') as lock:
        runs = prepare_runs(args, models)
        fleet = training.Fleet(args.out, args.jobs, args.device,
                               args.time_limit * 60 if args.time_limit else None, say, [lock])
        signal.signal(signal.SIGTERM, stop)
        try:
            results = fleet.run(runs, dict(machine=machine.describe(args.device)))
        except KeyboardInterrupt:
            print('interrupted; call the same command again to go on', file=sys.stderr)
            return 130
        if args.folds:
            pooled = pool(args.out, runs, args.folds, args.ensemble, say)
            write_json(args.out / 'results.json',
                       dict(read_json(args.out / 'results.json'), pooled=pooled))
            if pooled:
                text = fold_table(pooled)
                write_text(args.out / 'folds.md', text + '\n')
                if args.docs:
                    fill(args.docs, args.table, text)
                print(text)
    failed = [r for r in results if r['status'] == 'failed']
    waiting = [r for r in results if r['status'] in ('interrupted', 'waiting')]
    for result in failed:
        print(f'failed: {result["name"]}: {result["error"]}', file=sys.stderr)
    print(f'{len(results) - len(failed) - len(waiting)} of {len(results)} runs finished, '
          f'{len(failed)} failed, {len(waiting)} to go on with; {args.out / "results.json"}')
    return 0 if args.ignore_errors or not failed else 1


def measure(args: argparse.Namespace, models: Sequence[Entry], missing: Sequence[str],
            measures: Sequence[str]) -> int:
    """Measure and write the report; returns the exit code."""
    options = Options(
        out=args.out, size=args.size, device=str(machine.pick_device(args.device)),
        precisions=tuple(dict.fromkeys(args.precision)), fuse=args.fuse, rounds=args.rounds,
        iterations=args.iterations, warm_up=args.warm_up, batch=args.batch,
        measures=tuple(measures), data=args.data, data_root=args.data_root,
        eval_size=args.eval_size, num_workers=args.num_workers, timeout=args.timeout,
        cfg_options=args.cfg_options or {}, references=REFERENCES)
    session = Session(list(models), options, say)
    rows = session.run()
    own = [args.out / 'results.json'] if (args.out / 'results.json').is_file() else []
    for config in join_results(rows, [*own, *args.results]):
        say(f'results of {config} are not shown: it is not among the models')
    settings = dict(size=args.size, batch=args.batch, fuse=args.fuse, rounds=args.rounds,
                    iterations=args.iterations, warm_up=args.warm_up,
                    precisions=options.precisions, suite=args.suite,
                    cfg_options=args.cfg_options or {})
    title = args.title or (TABLES[args.suite].title if args.suite else 'Benchmark')
    content = report.document(rows, session.machine, settings, title, missing, args.paper_data)
    write_text(args.out / 'report.md', report.markdown(content))
    write_text(args.out / 'report.csv', report.flat_csv(content))
    plots = draw(content)
    for number, svg in enumerate(plots.values(), start=1):
        write_text(args.out / 'plots' / f'plot{number}.svg', svg)
    write_text(args.out / 'report.html', html(content, plots))
    write_json(args.out / 'report.json', content, indent=1)
    if args.docs:
        fill(args.docs, args.table, report.docs_table(content))
    show(content)
    broken = [row for row in rows if row['errors']]
    for row in broken:
        for what, text in row['errors'].items():
            print(f'failed: {row["name"]}: {what}: {text}', file=sys.stderr)
    print(f'{session.made} measurements made, {len(broken)} of {len(rows)} models with errors; '
          f'{args.out / "report.html"}')
    return 0 if args.ignore_errors or not broken else 1


def show(content: dict) -> None:
    """The main figures on the terminal."""
    table = Table(title=content['title'])
    table.add_column('model', overflow='fold')
    for title in ('M parameters', 'GFLOPs', 'ms', 'FPS', 'mask mAP50', 'mask mAP'):
        table.add_column(title, justify='right', no_wrap=True)
    for row in content['rows']:
        time = row.get('latency', {}).get('fp32', {}).get('total', {}).get('p50_ms')
        flops = (row.get('complexity') or {}).get('flops')
        values = (row['own'].get('params_m'), flops and flops / 1e9, time, row['own'].get('fps'),
                  row['own'].get('mask_map50'), row['own'].get('mask_map'))
        table.add_row(row['title'], *('' if v is None else f'{v:.2f}' for v in values))
    Console().print(table)


def say(line: str) -> None:
    """Tell the user on stderr how it goes."""
    Console(stderr=True).print(line, highlight=False, soft_wrap=True, markup=False)


@reports_user_errors
def main(argv=None) -> int:
    """Measure or train; returns the exit code."""
    args = parse_args(argv)
    compat.setup()
    try:
        models, missing = entries(args.models, args.suite)
        if not args.train:
            return measure(args, models, missing, [m for m in args.only if m != 'none'])
        code = train(args, models)
        if code != 130:
            # The report of what is finished, without measuring anything.
            args.ignore_errors = True
            args.docs = None if args.folds else args.docs  # the folds' table is there
            measure(args, models, missing, [])
        return code
    except UserError as error:
        raise UserError(str(error)) from error


if __name__ == '__main__':
    raise SystemExit(main())
