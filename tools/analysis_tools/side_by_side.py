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

from medseg.data.coco_file import load_coco
from medseg.data.convert.images import read_upright
from medseg.data.pictures import draw_annotations, write_jpeg, write_png
from medseg.errors import UserError
from medseg.runtime.coco_results import SCORE_THR

SHEET_IMAGES = 6
SHEET_WIDTH = 1260


def picture(image: np.ndarray, annotations: list[dict], predictions: list[dict],
            names: dict[int, str]) -> np.ndarray:
    """Input, ground truth and prediction in a row, RGB (H, 3 W, 3)."""
    drawn = [dict(record, area=float(mask_utils.area(record['segmentation'])))
             for record in predictions]
    return np.hstack([image, draw_annotations(image, annotations, names),
                      draw_annotations(image, drawn, names)])


def fit(image: np.ndarray, width: int) -> np.ndarray:
    """The image at another width."""
    height = round(image.shape[0] * width / image.shape[1])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def main(argv: Sequence[str] | None = None) -> int:
    """Draw; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('ann', metavar='ANN', type=Path, help='COCO annotations')
    parser.add_argument('--images', type=Path, required=True, help='folder of its images')
    parser.add_argument('--predictions', type=Path, required=True,
                        help='predictions.json of tools/infer.py (or a COCO results file)')
    parser.add_argument('--out', type=Path, required=True, help='folder of the pictures')
    parser.add_argument('--score-thr', type=float, default=SCORE_THR,
                        help=f'draw predictions from this score on (default: {SCORE_THR})')
    parser.add_argument('--num', type=int, help='draw this many images, evenly spread')
    parser.add_argument('--sheet', type=Path,
                        help='also one picture of six of the images, evenly spread; .png or .jpg')
    args = parser.parse_args(argv)
    try:
        return draw(args)
    except (UserError, OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1


def draw(args: argparse.Namespace) -> int:
    """Draw what the options name.

    Raises:
        ConversionError: The annotations cannot be used.
        OSError: An image or the predictions cannot be read, or a picture not be written.
        ValueError: The predictions are not JSON.
    """
    truth = load_coco(args.ann)
    predictions = json.loads(args.predictions.read_text(encoding='utf-8'))
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
    on_sheet = set(np.linspace(0, len(images) - 1, min(SHEET_IMAGES, len(images))).astype(int))
    rows = []
    for i, info in enumerate(track(images, description='Drawing')):
        found = predicted.get(info['file_name'], predicted.get(info['id'], []))
        drawing = picture(read_upright(args.images / info['file_name']), by_image[info['id']],
                          found, names)
        write_png((args.out / info['file_name']).with_suffix('.png'), drawing)
        if i in on_sheet and args.sheet:
            rows.append(fit(drawing, SHEET_WIDTH))
    if rows:
        write = write_jpeg if args.sheet.suffix in ('.jpg', '.jpeg') else write_png
        write(args.sheet, np.vstack(rows))
    print(f'{len(images)} pictures in {args.out}')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
