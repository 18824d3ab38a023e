"""Train a model; flags and behaviour are those of MMDetection's tool.

    python tools/train.py configs/lmsfa/lmsfa-n_1xb8-300e_peld.py
    python tools/train.py CONFIG --resume --cfg-options train_cfg.max_epochs=50
"""
import argparse
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from mmdet.utils import setup_cache_size_limit_of_dynamo
from mmengine.config import DictAction
from mmengine.device import get_device
from mmengine.runner.checkpoint import CheckpointLoader

from medseg.cli import check_data, load_config, reports_user_errors
from medseg.engine import compat
from medseg.engine.checkpoint import CheckpointError, is_fused
from medseg.engine.runner import build_runner
from medseg.engine.training_state import check_training_state, resume_point
from medseg.engine.work_dir import end_children_with_parent, only_one, remove_unfinished
from medseg.errors import UserError
from medseg.runtime.interruption import EXIT_CODE, stops_cleanly


def parse_args(argv=None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description='Train a model.')
    parser.add_argument('config', help='config file')
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
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def build_config(args: argparse.Namespace):
    """The config with the command line merged in.

    Raises:
        UserError: On input that cannot work.
    """
    cfg = load_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(args.config).stem)
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
            build_runner(cfg).train()
    except KeyboardInterrupt:
        print(f'\nstopped; the same command with --resume goes on from the last checkpoint in '
              f'{cfg.work_dir}', file=sys.stderr)
        return EXIT_CODE
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
