"""Train a model, on the config's data or on your own.

    python tools/train.py configs/lmsfa/lmsfa-n_1xb8-300e_peld.py
    python tools/train.py CONFIG --data data/cells --epochs 50 --size 512
    python tools/train.py CONFIG --data data.yaml --classes nucleus debris --split --resume

--data takes any COCO-format set (a folder as converters, Roboflow, CVAT or Label Studio leave it,
or a file) or an Ultralytics data.yaml; number and names of classes, colours, data sets and metrics
follow from it. The config in the work dir is complete: test.py, infer.py, deploy.py and
benchmark.py take it as it is. The other flags are those of MMDetection's tool.
"""
from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from mmdet.utils import setup_cache_size_limit_of_dynamo
from mmengine.config import DictAction
from mmengine.device import get_device
from mmengine.model import is_model_wrapper
from mmengine.runner.checkpoint import CheckpointLoader

from medseg.cli import check_data, load_config, reports_user_errors
from medseg.configs import holds_instances
from medseg.data.own import prepare
from medseg.engine import compat
from medseg.engine.adapt_config import adapt_config
from medseg.engine.checkpoint import CheckpointError, is_fused
from medseg.engine.head_check import check_heads, crowded
from medseg.engine.runner import build_runner
from medseg.engine.training_options import (
    accumulate,
    draw_batches,
    log_to_tensorboard,
    stop_early,
)
from medseg.engine.training_report import best_checkpoint, write_report
from medseg.engine.training_state import check_training_state, resume_point
from medseg.engine.work_dir import end_children_with_parent, only_one, remove_unfinished
from medseg.errors import UserError
from medseg.runtime.interruption import EXIT_CODE, stops_cleanly


def parse_args(argv=None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    own = parser.add_argument_group('your own data and budget')
    own.add_argument('--data', type=Path, metavar='DIR_OR_YAML',
                     help='train on this set instead of the one of the config')
    own.add_argument('--classes', nargs='+', metavar='NAME', help='with --data: its classes and '
                     'their order (default: all that have objects)')
    own.add_argument('--split', action='store_true', help='with --data: divide a set that comes '
                     'as one file 8:1:1, by patient where file names tell it')
    own.add_argument('--epochs', type=int, help='length; schedule, warm-up and mosaic follow')
    own.add_argument('--size', type=int, metavar='PIXELS', help='side of the input, a multiple of '
                     '32; every transform follows')
    extra = parser.add_argument_group('extras')
    extra.add_argument('--patience', type=int, metavar='N',
                       help='stop after N validations without progress')
    extra.add_argument('--tensorboard', action='store_true',
                       help='also log for TensorBoard: tensorboard --logdir WORK_DIR')
    extra.add_argument('--accumulate', type=int, metavar='N',
                       help='step the optimiser after N batches, for large batches in little '
                       'memory')
    extra.add_argument('--no-report', action='store_true',
                       help='leave out the pictures in WORK_DIR/report')
    parser.add_argument('--work-dir', help='where logs and checkpoints go; default: '
                        './work_dirs/<name of the config>')
    parser.add_argument('--amp', action='store_true',
                        help='train with automatic mixed precision; without a GPU: bfloat16 on '
                        'the CPU')
    parser.add_argument('--auto-scale-lr', action='store_true',
                        help='scale the learning rate with the batch size')
    parser.add_argument('--resume', nargs='?', const='auto', metavar='CHECKPOINT',
                        help='continue from this checkpoint, or, when none is given, from the '
                        'newest one of the work dir that is whole')
    parser.add_argument('--partial-weights', action='store_true',
                        help='let `load_from` name a checkpoint of which only a part fits, such as '
                        'one for another number of classes; the log lists what was loaded')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings of the config; lists as key="[a,b]" or key=a,b, '
                        'nested ones as key="[(a,b),(c,d)]", quoted and without spaces')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none',
                        help='how the processes were started')
    # The spelling depends on the release of PyTorch's launcher.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0,
                        help='set by the launcher')
    args = parser.parse_args(argv)
    for name in ('epochs', 'patience', 'accumulate'):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            parser.error(f'--{name} must be at least 1')
    if args.size is not None and (args.size < 32 or args.size % 32):
        parser.error(f'--size {args.size}: must be a multiple of 32')
    if args.data is None and (args.classes or args.split):
        parser.error('--classes and --split need --data')
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def build_config(args: argparse.Namespace):
    """The config with the command line merged in.

    Raises:
        UserError: On input that cannot work.
    """
    cfg = load_config(args.config)
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        name = Path(args.config).stem + (f'_{data_name(args.data)}' if args.data else '')
        cfg.work_dir = str(Path('work_dirs') / name)
    cfg = adapt(cfg, args)
    if args.cfg_options:
        cfg.merge_from_dict(args.cfg_options)
    cfg.launcher = args.launcher
    if args.patience is not None:
        stop_early(cfg, args.patience)
    if args.tensorboard:
        log_to_tensorboard(cfg)
    if args.accumulate is not None:
        accumulate(cfg, args.accumulate)
    if args.amp:
        if get_device() == 'cpu':
            print('--amp: without a GPU the forward pass runs in bfloat16 on the CPU; that is '
                  'faster only on CPUs with AVX-512 BF16 or AMX')
            cfg.optim_wrapper.type = 'BFloat16OptimWrapper'
        else:
            cfg.optim_wrapper.type = 'AmpOptimWrapper'
            cfg.optim_wrapper.loss_scale = 'dynamic'
    if args.auto_scale_lr:
        scale = cfg.get('auto_scale_lr') or {}
        if 'enable' not in scale or 'base_batch_size' not in scale:
            raise UserError(f'{args.config}: --auto-scale-lr needs `auto_scale_lr = dict(enable='
                            'False, base_batch_size=N)` in the config')
        cfg.auto_scale_lr.enable = True
    if args.resume is not None:
        cfg.resume = True
        if args.resume != 'auto':
            cfg.load_from = args.resume
    if args.partial_weights:
        if not cfg.get('load_from') or args.resume not in (None, 'auto'):
            raise UserError('--partial-weights: needs a checkpoint to start from: --cfg-options '
                            'load_from=CHECKPOINT')
        cfg.partial_start = True
    return cfg


def data_name(source: Path) -> str:
    """A short name for the data set at a path: its folder's, or of a file in it."""
    folder = source.resolve()
    if folder.is_file():
        folder = folder.parent if folder.parent.name != 'annotations' else folder.parent.parent
    return re.sub(r'[^\w.-]+', '_', folder.name).strip('_') or 'data'


def adapt(cfg, args: argparse.Namespace):
    """The config for the data, size and length of the command line; the same where none is given.

    Raises:
        UserError: The data cannot be used, or the config cannot be changed.
    """
    data = None
    if args.data is not None:
        first = os.environ.get('RANK', '0') == '0'
        own = prepare(args.data, Path(cfg.work_dir) / 'data', args.classes, args.split,
                      quiet=not first)
        if first:
            print(own.report, flush=True)
        data = own.config
    try:
        return adapt_config(cfg, size=args.size, epochs=args.epochs, data=data,
                            val_interval=args.epochs and max(1, args.epochs // 10))
    except ValueError as error:
        raise UserError(str(error)) from error


def check_start(cfg, auto: bool) -> None:
    """Read the checkpoint that training will start from, before anything is built.

    Args:
        cfg (Config): The config, changed in place.
        auto (bool): Resume from the newest checkpoint of the work dir that is whole. Where there
            is none, the training starts as it would without ``--resume``.

    Raises:
        CheckpointError: It is missing, damaged, unsafe, fused, or not one to resume from.
    """
    if auto:
        point = resume_point(Path(cfg.work_dir), lambda line: print(line, file=sys.stderr))
        cfg.resume = point is not None
        if point is not None:
            cfg.load_from = str(point)
            return
        print(f'{cfg.work_dir}: nothing to resume from; starting anew', file=sys.stderr)
    start = cfg.get('load_from')
    if start is None:
        return
    checkpoint = CheckpointLoader.load_checkpoint(start, map_location='cpu', logger='silent')
    if cfg.get('resume'):
        check_training_state(checkpoint, start)
    elif is_fused(checkpoint):
        raise CheckpointError(f'{start}: a fused checkpoint cannot be trained; use the one that '
                              'it was made from')


@contextlib.contextmanager
def hold_work_dir(cfg) -> Iterator[None]:
    """Keep other trainings out of the work dir; in the first process alone, if there are several.

    Raises:
        UserError: Another training is at work there.
    """
    if os.environ.get('RANK', os.environ.get('SLURM_PROCID', '0')) != '0':
        yield
        return
    with only_one(Path(cfg.work_dir)):
        remove_unfinished(Path(cfg.work_dir))
        yield


def next_steps(cfg) -> tuple[str, ...]:
    """What one does after a training; fields: config, checkpoint, export.

    A config's own ``next_steps`` win: those of models that other tools predict with.
    """
    if 'next_steps' in cfg:
        return tuple(cfg.next_steps)
    deploy = 'instance-seg' if holds_instances(cfg) else 'semantic-seg'
    return (
        'python tools/test.py {config} {checkpoint}',
        'python tools/infer.py {config} {checkpoint} IMAGES --out out',
        f'python tools/deploy.py configs/deploy/{deploy}_onnxruntime_dynamic.py '
        '{config} {checkpoint} IMAGE --work-dir {export}')


def train(cfg, report: bool) -> None:
    """Train, draw the report, and say what to do next.

    Raises:
        UserError: The heads do not fit the data.
    """
    instances = holds_instances(cfg)
    report = report and instances
    if report:
        draw_batches(cfg)
    runner = build_runner(cfg)
    if instances:
        check_heads(runner.model.module if is_model_wrapper(runner.model) else runner.model, cfg)
        for line in crowded(cfg, 'train_dataloader', 'val_dataloader'):
            runner.logger.warning(line)
    weights = sum(p.numel() for p in runner.model.parameters())
    runner.logger.info(f'{weights / 1e6:.2f} M parameters; config and log in {runner.work_dir}, '
                       f'details in {runner.log_dir}')
    runner.train()
    if runner.rank:
        return
    work = Path(runner.work_dir)
    if report:
        device = str(next(runner.model.parameters()).device)
        print(f'report: {write_report(cfg, work, device)}')
    words = dict(config=work / Path(cfg.filename).name, checkpoint=best_checkpoint(work),
                 export=work / 'export')
    print('next:', *(line.format(**words) for line in next_steps(cfg)), sep='\n  ')


@reports_user_errors
def main(argv=None) -> int:
    """Train; returns the exit code."""
    args = parse_args(argv)
    compat.setup()
    setup_cache_size_limit_of_dynamo()
    cfg = build_config(args)
    check_data(cfg, ('train_dataloader', 'val_dataloader'))
    end_children_with_parent()
    try:
        with stops_cleanly(), hold_work_dir(cfg):
            check_start(cfg, args.resume == 'auto' or (
                bool(cfg.get('resume')) and not cfg.get('load_from')))
            train(cfg, report=not args.no_report)
    except KeyboardInterrupt:
        print(f'\nstopped; the same command with --resume goes on from the last checkpoint in '
              f'{cfg.work_dir}', file=sys.stderr)
        return EXIT_CODE
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
