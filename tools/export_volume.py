"""Export a 3-D model for ONNX Runtime or OpenVINO, and compare it with PyTorch.

    python tools/export_volume.py CONFIG CHECKPOINT lightmedseg.onnx
    python tools/export_volume.py CONFIG CHECKPOINT lightmedseg.onnx --openvino

`medseg.runtime.volume.VolumeSegmenter` runs the file on volumes of any size, without torch.
"""
from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from mmengine.config import DictAction

from medseg.cli import load_config, reports_user_errors
from medseg.engine import compat
from medseg.errors import UserError
from medseg.runtime.volume import VolumeSegmenter, normalise
from projects.lightmedseg.export import export_window
from projects.lightmedseg.volume_predictor import VolumePredictor


def parse_args(argv=None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('out', type=Path, help='the .onnx file to write')
    parser.add_argument('--window', type=int, nargs=3, metavar='N',
                        help='voxels of the window; default: roi_size of the config')
    parser.add_argument('--openvino', action='store_true', help='also write .xml and .bin')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings of the config')
    return parser.parse_args(argv)


@reports_user_errors
def main(argv=None) -> int:
    """Export; returns the exit code, 1 if the export and PyTorch differ by more than 1e-3."""
    args = parse_args(argv)
    compat.setup()
    config = load_config(args.config, args.cfg_options)
    predictor = VolumePredictor(config, args.checkpoint)
    window = args.window or predictor.model.test_cfg.get('roi_size')
    if window is None:
        raise UserError(f'{args.config}: has no model.test_cfg.roi_size; name a --window')
    if not predictor.classes or not predictor.channels:
        raise UserError(f'{args.checkpoint}: does not name classes and channels; was it written '
                        'by tools/train.py?')
    file = export_window(predictor.model, args.out, predictor.classes, predictor.channels,
                         window, args.openvino)
    segmenter = VolumeSegmenter(file)
    shape = (len(predictor.channels), *(int(1.3 * n) for n in window))
    volume = np.random.default_rng(0).uniform(1, 100, shape).astype(np.float32)
    predictor.model.test_cfg['roi_size'] = tuple(window)
    with torch.no_grad():
        expected = predictor.model.whole_logits(torch.from_numpy(normalise(volume))[None])[0]
    apart = float(np.abs(segmenter.scores(volume) - expected.numpy()).max())
    print(f'{file}: window {"x".join(map(str, window))}, scores at most {apart:.1e} from PyTorch '
          f'on a volume of {"x".join(map(str, shape[1:]))}')
    return int(apart > 1e-3)


if __name__ == '__main__':
    raise SystemExit(main())
