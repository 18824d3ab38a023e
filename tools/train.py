"""Train a model; flags and behaviour are those of MMDetection's tool.

    python tools/train.py configs/lmsfa/lmsfa-n_1xb8-300e_peld.py
    python tools/train.py CONFIG --resume --cfg-options train_cfg.max_epochs=50
"""
import argparse
import os
from pathlib import Path

from mmdet.utils import setup_cache_size_limit_of_dynamo
from mmengine.config import DictAction
from mmengine.device import get_device
from mmengine.registry import RUNNERS
from mmengine.runner import Runner, find_latest_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader

from medseg.cli import check_data, load_config, reports_user_errors
from medseg.engine import compat
from medseg.engine.checkpoint import CheckpointError, is_fused
from medseg.errors import UserError


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
                        'latest one of the work dir')
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
        cfg.load_from = None if args.resume == 'auto' else args.resume
    return cfg


def check_start(cfg) -> None:
    """Read the checkpoint that training will start from, before anything is built.

    Raises:
        CheckpointError: It is missing, damaged, unsafe or fused.
    """
    start = cfg.get('load_from')
    if start is None and cfg.get('resume'):
        start = find_latest_checkpoint(cfg.work_dir) if Path(cfg.work_dir).is_dir() else None
    if start is None:
        return
    checkpoint = CheckpointLoader.load_checkpoint(start, map_location='cpu', logger='silent')
    if is_fused(checkpoint):
        raise CheckpointError(f'{start}: a fused checkpoint cannot be trained; use the one that '
                              'it was made from')
    if cfg.get('resume') and not ({'meta', 'message_hub'} <= set(checkpoint)
                                  and {'epoch', 'iter'} <= set(checkpoint['meta'])):
        raise CheckpointError(f'{start}: holds weights but no state of training, so training '
                              'cannot resume from it; start from its weights instead: '
                              f'--cfg-options load_from={start}')


@reports_user_errors
def main(argv=None) -> int:
    """Train; returns the exit code."""
    args = parse_args(argv)
    compat.setup()
    setup_cache_size_limit_of_dynamo()
    cfg = build_config(args)
    check_data(cfg, ('train_dataloader', 'val_dataloader'))
    check_start(cfg)
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    runner.train()
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
