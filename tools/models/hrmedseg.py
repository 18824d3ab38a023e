"""Convert the HRMedSeg authors' distilled weights, encoder and neck, to start trainings from.

    python tools/models/hrmedseg.py SAM_PFD_10K.pth pretrained.pth
    python tools/train.py configs/hrmedseg/hrmedseg_lgvit-96_1xb4-30e_dsb2018.py \\
        --partial-weights --cfg-options load_from=pretrained.pth

The decoder starts from scratch, as the authors' does.
"""
from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmdet.registry import MODELS
from mmengine.registry import init_default_scope
from mmengine.utils import import_modules_from_strings

from medseg.cli import load_config, reports_user_errors
from medseg.engine import compat
from medseg.engine.checkpoint import read_checkpoint, save_checkpoint, weights_of
from projects.hrmedseg.released_weights import convert

CONFIG = 'configs/hrmedseg/hrmedseg_lgvit-96_1xb4-30e_dsb2018.py'


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Convert; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('weights', type=Path, help="the authors' .pth file")
    parser.add_argument('out', type=Path, help='checkpoint to write')
    parser.add_argument('--config', default=CONFIG, help='config of the same width (default: '
                        '%(default)s)')
    args = parser.parse_args(argv)
    compat.setup()
    config = load_config(args.config)
    import_modules_from_strings(**config.custom_imports)
    init_default_scope('mmdet')
    state = convert(weights_of(read_checkpoint(args.weights), args.weights),
                    MODELS.build(config.model), str(args.weights))
    save_checkpoint(dict(state_dict=state, meta=dict(source=args.weights.name)), args.out)
    print(f'wrote {args.out}: {len(state)} tensors of encoder and neck')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
