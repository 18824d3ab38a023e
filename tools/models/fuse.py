"""Merge the branches and BatchNorms of a trained model for inference.

    python tools/models/fuse.py CONFIG CHECKPOINT fused.pth

The fused checkpoint goes wherever the plain one goes (tools/test.py, tools/infer.py) with the
same config; it cannot be trained.
"""
import argparse
from pathlib import Path

from mmdet.registry import MODELS
from mmengine.config import DictAction
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import CheckpointLoader, weights_to_cpu

from medseg.cli import load_config, reports_user_errors
from medseg.engine import compat
from medseg.engine.checkpoint import FUSED_KEY, is_fused, load_strictly, save_checkpoint
from medseg.engine.fuse import fuse_model
from medseg.errors import UserError


def parse_args(argv=None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description='Merge re-parameterisable branches and '
                                     'BatchNorms; the outputs stay the same up to rounding.')
    parser.add_argument('config', help='config file of the checkpoint')
    parser.add_argument('checkpoint', help='trained checkpoint')
    parser.add_argument('out', help='checkpoint to write; must differ from the input')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings of the config')
    return parser.parse_args(argv)


@reports_user_errors
def main(argv=None) -> int:
    """Fuse; returns the exit code."""
    args = parse_args(argv)
    compat.setup()
    out = Path(args.out)
    if out.resolve() == Path(args.checkpoint).resolve():
        raise UserError(f'{out}: would overwrite the trained checkpoint; name another file')
    if out.is_dir():
        raise UserError(f'{out}: is a folder; name a file, such as {out / "fused.pth"}')
    cfg = load_config(args.config, args.cfg_options)
    checkpoint = CheckpointLoader.load_checkpoint(args.checkpoint, map_location='cpu',
                                                  logger='silent')
    if is_fused(checkpoint):
        raise UserError(f'{args.checkpoint}: is fused already')
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    model = MODELS.build(cfg.model)
    load_strictly(model, checkpoint, args.checkpoint)
    before = sum(p.numel() for p in model.parameters())
    fuse_model(model)
    after = sum(p.numel() for p in model.parameters())
    meta = {key: value for key, value in checkpoint.get('meta', {}).items()
            if key in ('dataset_meta', 'epoch', 'iter', 'seed', 'experiment_name', 'time')}
    meta.update({FUSED_KEY: True, 'cfg': cfg.pretty_text})
    save_checkpoint({'meta': meta, 'state_dict': weights_to_cpu(model.state_dict())}, out)
    print(f'{out}: {before:,} -> {after:,} parameters')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
