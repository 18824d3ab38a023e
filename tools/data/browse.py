"""Draws the annotations of a COCO data set over its images, in the paper's colours."""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medseg.data.coco_file import find_annotation_files, image_folder, load_drawable, output_name
from medseg.data.convert.images import read_upright
from medseg.data.convert.progress import progress
from medseg.data.convert.records import UNSPLIT, ConversionError, RecordError
from medseg.data.pictures import draw_annotations, write_png
from medseg.errors import UserError

EPILOG = """\
Colours: adipose tissue purple, bone red, ligamentum flavum yellow, nerve green. Small objects lie
over large ones.

examples:
  python tools/data/browse.py data/peld --num 20 --out work_dirs/browse
  python tools/data/browse.py a/val.json --images a/val --out work_dirs/browse --beside
"""


def draw_file(path: Path, folder: Path, out: Path, args: argparse.Namespace) -> list[str]:
    """Draws images of one annotation file into ``out``; returns what went wrong.

    Raises:
        ConversionError: the annotation file cannot be used.
    """
    content, left_out = load_drawable(path)
    names = {item['id']: str(item['name']) for item in content['categories']}
    by_image = defaultdict(list)
    for annotation in content['annotations']:
        if not annotation.get('segmentation'):
            raise ConversionError(f'{path}: annotation {annotation["id"]} has no outline; run '
                                  'tools/data/check.py')
        by_image[annotation['image_id']].append(annotation)
    images = content['images']
    if args.num and args.num < len(images):
        chosen = np.random.default_rng(args.seed).choice(len(images), args.num, replace=False)
        images = [images[index] for index in sorted(chosen)]
    problems = [left_out] if left_out else []
    drawn_count = 0
    for image in progress(images, f'drawing {path.stem}'):
        source = folder / image['file_name']
        try:
            pixels = read_upright(source)
        except RecordError as error:
            problems.append(f'{source}: {error.reason}')
            continue
        if pixels.shape[:2] != (image['height'], image['width']):
            problems.append(f'{source}: is {pixels.shape[1]}x{pixels.shape[0]}, the annotations '
                            f'are for {image["width"]}x{image["height"]}')
            continue
        drawn = draw_annotations(pixels, by_image[image['id']], names, args.opacity)
        if args.beside:
            drawn = np.concatenate([pixels, drawn], axis=1)
        # the whole name, so that a.png and a.jpg do not meet
        try:
            write_png(out / f'{output_name(image["file_name"])}.png', drawn)
        except OSError as error:
            problems.append(f'{source}: its drawing cannot be written ({error.strerror})')
            continue
        drawn_count += 1
    print(f'{path}: {drawn_count} pictures in {out}')
    return problems


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the tool; returns 0, 1 where an image could not be drawn, 2 on wrong arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('annotations', metavar='ANN', type=Path,
                        help='a COCO file, or the directory of a converted set')
    parser.add_argument('--images', type=Path, metavar='DIR',
                        help='image folder (default: beside annotations/)')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR',
                        help='gets a folder for each subset')
    parser.add_argument('--num', type=int, default=0,
                        help='draw so many images of each subset, chosen by --seed (default: all)')
    parser.add_argument('--seed', type=int, default=0, help='default: 0')
    parser.add_argument('--opacity', type=float, default=0.4, help='of the masks (default: 0.4)')
    parser.add_argument('--beside', action='store_true',
                        help='put the bare image on the left of the drawing')
    args = parser.parse_args(argv)
    if args.num < 0 or not 0 <= args.opacity <= 1 or args.seed < 0:
        parser.error('--num and --seed must not be negative, --opacity lies from 0 to 1')
    problems: list[str] = []
    try:
        files = find_annotation_files(args.annotations)
        if len(files) > 1:
            files.pop(UNSPLIT, None)
        for subset, path in files.items():
            folder = args.images or image_folder(path)
            out = args.out / subset
            if out.resolve() == folder.resolve():
                raise ConversionError(f'{out}: is the image folder; give another --out')
            problems += draw_file(path, folder, out, args)
    except UserError as error:
        print(f'browse.py: error: {error}', file=sys.stderr)
        return 2
    for problem in problems:
        print(f'not drawn: {problem}', file=sys.stderr)
    return 1 if problems else 0


if __name__ == '__main__':
    raise SystemExit(main())
