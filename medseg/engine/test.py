"""Test a checkpoint; flags and behaviour are those of MMDetection's tool.

    python tools/test.py configs/lmsfa/lmsfa-n_1xb8-300e_peld.py work_dirs/.../best.pth
    python tools/test.py CONFIG CHECKPOINT --show-dir overlays --out predictions.pkl
"""
import argparse
import os
import sys
from pathlib import Path

from mmdet.utils import setup_cache_size_limit_of_dynamo
from mmengine.runner.checkpoint import CheckpointLoader

from medseg.cli import check_data, load_config, reports_user_errors
from medseg.configs import holds_instances
from medseg.engine import compat
from medseg.engine.checkpoint import FuseBeforeLoadHook, is_fused
from medseg.engine.classes import follow_order
from medseg.engine.head_check import crowded
from medseg.engine.testing import (
    add_output_arguments,
    check_output_arguments,
    run_test,
    show_predictions,
)
from medseg.engine.tta import enable_tta


def parse_args(argv=None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description='Test (and evaluate) a model.')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file, plain or fused')
    add_output_arguments(parser, './work_dirs/<name of the config>')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none',
                        help='how the processes were started')
    parser.add_argument('--tta', action='store_true', help='test-time augmentation: scales, flips '
                        'where training flips; or `tta_model` and `tta_pipeline` of the config')
    # The spelling depends on the release of PyTorch's launcher.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0,
                        help='set by the launcher')
    args = parser.parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


@reports_user_errors
def main(argv=None) -> int:
    """Test; returns the exit code."""
    args = parse_args(argv)
    check_output_arguments(args)
    compat.setup()
    setup_cache_size_limit_of_dynamo()
    cfg = load_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(args.config).stem)
    cfg.load_from = args.checkpoint
    check_data(cfg, ('test_dataloader',))
    checkpoint = CheckpointLoader.load_checkpoint(args.checkpoint, map_location='cpu',
                                                  logger='silent')
    note = follow_order(cfg, checkpoint, args.checkpoint)
    if note:
        print(f'note: {note}', file=sys.stderr)
    for line in crowded(cfg, 'test_dataloader') if holds_instances(cfg) else ():
        print(f'note: {line}', file=sys.stderr)
    show_predictions(cfg, args)
    if args.tta:
        enable_tta(cfg)
    run_test(cfg, args, [FuseBeforeLoadHook()] if is_fused(checkpoint) else [])
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
