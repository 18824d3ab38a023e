"""Draw input, ground truth and prediction side by side, for pages of overlays."""
from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as mask_utils
from rich.progress import track

from projects.lmsfa.utils.drawing import class_colours, draw_masks, read_image, write_image


def decode(segmentation: list | dict, height: int, width: int) -> np.ndarray:
    """Mask (H, W) of COCO polygons, RLE or compressed RLE."""
    if isinstance(segmentation, list):
        segmentation = mask_utils.merge(mask_utils.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation['counts'], list):
        segmentation = mask_utils.frPyObjects(segmentation, height, width)
    return mask_utils.decode(segmentation)


def picture(image: np.ndarray, annotations: list[dict], predictions: list[dict],
            names: dict[int, str]) -> np.ndarray:
    """Three panels in a row, (H, 3 W, 3)."""
    colours = dict(zip(names, class_colours(list(names.values())), strict=True))
    height, width = image.shape[:2]
    panels = [image]
    for records in (annotations, predictions):
        # Large first, so that small ones stay visible.
        masks = [(decode(r['segmentation'], height, width), r) for r in records]
        masks.sort(key=lambda pair: -int(pair[0].sum()))
        texts = [f'{names[r["category_id"]]} {r["score"]:.2f}' if 'score' in r
                 else names[r['category_id']] for _, r in masks]
        panels.append(draw_masks(image, [m for m, _ in masks],
                                 [colours[r['category_id']] for _, r in masks],
                                 texts if len(names) > 1 else ()))
    return np.hstack(panels)


def main(argv: Sequence[str] | None = None) -> int:
    """Draw; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('ann', metavar='ANN', type=Path, help='COCO annotations')
    parser.add_argument('--images', type=Path, required=True, help='folder of its images')
    parser.add_argument('--predictions', type=Path, required=True,
                        help='predictions.json of tools/infer.py (or a COCO results file)')
    parser.add_argument('--out', type=Path, required=True, help='folder of the pictures')
    parser.add_argument('--score-thr', type=float, default=0.3,
                        help='draw predictions from this score on (default: 0.3)')
    parser.add_argument('--num', type=int, help='draw this many images, evenly spread')
    parser.add_argument('--sheet', type=Path,
                        help='also one picture of six of the images, evenly spread')
    args = parser.parse_args(argv)
    for path in (args.ann, args.predictions):
        if not path.is_file():
            print(f'{path}: no such file', file=sys.stderr)
            return 2
    truth = json.loads(args.ann.read_text(encoding='utf-8'))
    predictions = json.loads(args.predictions.read_text(encoding='utf-8'))
    if isinstance(predictions, dict):
        predictions = predictions['annotations']
    names = {c['id']: c['name'] for c in truth['categories']}
    by_image, predicted = defaultdict(list), defaultdict(list)
    for record in truth['annotations']:
        by_image[record['image_id']].append(record)
    for record in predictions:
        if record['score'] >= args.score_thr:
            predicted[record.get('file_name', record['image_id'])].append(record)

    images = truth['images']
    if args.num and args.num < len(images):
        images = [images[i] for i in np.linspace(0, len(images) - 1, args.num).astype(int)]
    on_sheet = set(np.linspace(0, len(images) - 1, min(6, len(images))).astype(int))
    rows = []
    for i, info in enumerate(track(images, description='Drawing')):
        try:
            image = read_image(args.images / info['file_name'])
        except (FileNotFoundError, ValueError) as error:
            print(error, file=sys.stderr)
            return 1
        found = predicted.get(info['file_name'], predicted.get(info['id'], []))
        drawing = picture(image, by_image[info['id']], found, names)
        write_image((args.out / info['file_name']).with_suffix('.jpg'), drawing)
        if i in on_sheet and args.sheet:
            rows.append(fit(drawing, 1260))
    if args.sheet and rows:
        write_image(args.sheet, np.vstack(rows))
    print(f'{len(images)} pictures in {args.out}')
    return 0


def fit(image: np.ndarray, width: int) -> np.ndarray:
    """The image at another width."""
    height = round(image.shape[0] * width / image.shape[1])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


if __name__ == '__main__':
    raise SystemExit(main())
