"""Compare the torch-free runtime with the PyTorch predictor, instance by instance.

Both see the first images of the config's test set. Instances are matched by class, score and box;
printed are how many match and how well their masks agree.

example:
  python tools/analysis_tools/compare_runtime.py CONFIG CHECKPOINT out/end2end.onnx --num 12
"""
from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from mmdet.registry import DATASETS
from pycocotools import mask as mask_utils
from rich.progress import track

from medseg.cli import check_data, load_config, reports_user_errors
from medseg.engine import compat
from medseg.engine.inference import Predictor
from medseg.errors import UserError
from medseg.runtime import Segmenter

#: How far apart the two may put the same instance.
SCORE_TOLERANCE, BOX_TOLERANCE_PX = 2e-4, 0.1


def mask_ious(expected: list[dict], found) -> list[float | None]:
    """Mask IoU of every expected instance with its counterpart.

    Args:
        expected (list[dict]): What :class:`Predictor` gave.
        found (Instances): What :class:`Segmenter` gave for the same image.

    Returns:
        list[float | None]: None where no instance has that class, score and box.
    """
    out: list[float | None] = []
    for item in expected:
        corner = np.abs(found.boxes[:, :2] - np.array(item['bbox'][:2])).max(1)
        same = ((found.labels + 1 == item['category_id'])
                & (np.abs(found.scores - item['score']) < SCORE_TOLERANCE)
                & (corner < BOX_TOLERANCE_PX))
        mask = mask_utils.decode(item['segmentation']).astype(bool)
        ious = []
        for other in found.masks[same]:
            union = np.count_nonzero(mask | other)
            ious.append(np.count_nonzero(mask & other) / union if union else 1.0)
        out.append(max(ious, default=None))
    return out


@reports_user_errors
def main(argv=None) -> int:
    """Compare and print; returns the exit code, 1 if an instance is missing or differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config of the model')
    parser.add_argument('checkpoint', help='its checkpoint')
    parser.add_argument('model', type=Path, help='exported file, .onnx or .xml')
    parser.add_argument('--num', type=int, default=12, help='images (default: 12)')
    parser.add_argument('--score-thr', type=float, default=0.001,
                        help='lowest score that counts (default: 0.001)')
    parser.add_argument('--min-iou', type=float, default=0.99,
                        help='lowest mask IoU that passes (default: 0.99)')
    parser.add_argument('--backend', default='auto', choices=('auto', 'onnxruntime', 'openvino'))
    args = parser.parse_args(argv)
    compat.setup()
    config = load_config(args.config)
    check_data(config, ('test_dataloader',))
    predictor = Predictor(config, args.checkpoint)
    segmenter = Segmenter(args.model, backend=args.backend, score_thr=args.score_thr)
    dataset = DATASETS.build(dict(config.test_dataloader.dataset, pipeline=[]))
    ious: list[float | None] = []
    extra = 0
    for index in track(range(min(args.num, len(dataset))), 'images'):
        path = dataset.get_data_info(index)['img_path']
        image = cv2.imread(path)
        if image is None:
            raise UserError(f'{path}: cannot be read as an image')
        expected, found = predictor(image, args.score_thr), segmenter(image)
        ious += mask_ious(expected, found)
        extra += max(0, len(found) - len(expected))
    matched = np.array([iou for iou in ious if iou is not None])
    low = int((matched < args.min_iou).sum())
    print(f'{args.model}: {len(matched)} of {len(ious)} instances matched, {extra} more found; '
          f'mask IoU at least {matched.min() if len(matched) else 1:.5f}, '
          f'{low} below {args.min_iou}')
    return int(low > 0 or extra > 0 or len(matched) < len(ious))


if __name__ == '__main__':
    raise SystemExit(main())
