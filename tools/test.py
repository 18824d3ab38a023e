"""Test a checkpoint; flags and behaviour are those of MMDetection's tool.

    python tools/test.py configs/lmsfa/lmsfa-n_1xb8-300e_peld.py work_dirs/.../best.pth
    python tools/test.py CONFIG CHECKPOINT --show-dir overlays --out predictions.pkl
"""
import argparse
import os
import sys
import warnings
from copy import deepcopy
from pathlib import Path

from mmdet.utils import setup_cache_size_limit_of_dynamo
from mmengine.config import Config, ConfigDict
from mmengine.runner.checkpoint import CheckpointLoader

from medseg.cli import check_data, load_config, reports_user_errors
from medseg.configs import test_dataset
from medseg.engine import compat
from medseg.engine.checkpoint import FuseBeforeLoadHook, is_fused
from medseg.engine.classes import follow_order
from medseg.engine.testing import (
    add_output_arguments,
    check_output_arguments,
    run_test,
    show_predictions,
)


def parse_args(argv=None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description='Test (and evaluate) a model.')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file, plain or fused')
    add_output_arguments(parser, './work_dirs/<name of the config>')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none',
                        help='how the processes were started')
    parser.add_argument('--tta', action='store_true', help='test-time augmentation')
    # The spelling depends on the release of PyTorch's launcher.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0,
                        help='set by the launcher')
    args = parser.parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def enable_tta(cfg: Config) -> None:
    """Wrap the model and the pipeline for test-time augmentation, by flipping unless configured."""
    if 'tta_model' not in cfg:
        warnings.warn('the config has no `tta_model`; merging boxes with NMS at 0.5', stacklevel=2)
        cfg.tta_model = dict(type='DetTTAModel', tta_cfg=dict(
            nms=dict(type='nms', iou_threshold=0.5), max_per_img=100))
    if 'tta_pipeline' not in cfg:
        warnings.warn('the config has no `tta_pipeline`; flipping horizontally', stacklevel=2)
        cfg.tta_pipeline = deepcopy(test_dataset(cfg).pipeline)
        cfg.tta_pipeline[-1] = dict(type='TestTimeAug', transforms=[
            [dict(type='RandomFlip', prob=1.), dict(type='RandomFlip', prob=0.)],
            [dict(type='PackDetInputs', meta_keys=(
                'img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'flip',
                'flip_direction'))],
        ])
    cfg.model = ConfigDict(**cfg.tta_model, module=cfg.model)
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline


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
    show_predictions(cfg, args)
    if args.tta:
        enable_tta(cfg)
    run_test(cfg, args, [FuseBeforeLoadHook()] if is_fused(checkpoint) else [])
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
