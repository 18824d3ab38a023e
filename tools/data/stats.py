"""Counts the instances of a COCO data set, as Table I of the paper, and draws histograms."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medseg.data.coco_file import class_table, find_annotation_files, load_coco
from medseg.data.convert.records import UNSPLIT, ConversionError
from medseg.data.pictures import draw_statistics, write_png
from medseg.errors import UserError
from medseg.io import write_json
from medseg.tables import plain

EPILOG = """\
examples:
  python tools/data/stats.py data/peld --out work_dirs/peld_statistics.png
  python tools/data/stats.py a/train.json a/val.json --json counts.json
"""


def load_subsets(given: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """COCO content by subset name, of files and of directories of converted sets.

    Raises:
        ConversionError: nothing is found, or a reference leads nowhere.
    """
    subsets: dict[str, dict[str, Any]] = {}
    for path in given:
        found = find_annotation_files(path)
        if len(found) > 1:
            found.pop(UNSPLIT, None)  # a split of it is there, which holds the same images
        for name, file in found.items():
            content = load_coco(file)
            known = {item['id'] for item in content['images']}
            categories = {item['id'] for item in content['categories']}
            for annotation in content['annotations']:
                if (annotation['image_id'] not in known or 'area' not in annotation
                        or annotation['category_id'] not in categories
                        or len(annotation.get('bbox', ())) != 4):
                    raise ConversionError(
                        f'{file}: annotation {annotation["id"]} is of an unknown image or category '
                        'or has no area or box; run tools/data/check.py')
            subsets[name if name not in subsets else str(file)] = content
    return subsets


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the tool; returns 0, or 2 where a file cannot be used."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('annotations', metavar='ANN', nargs='+', type=Path,
                        help='COCO files, one for each subset, or the directory of a converted set')
    parser.add_argument('--out', type=Path, metavar='PNG',
                        help='also draw histograms of classes, sizes and positions there')
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the table there')
    args = parser.parse_args(argv)
    if args.out is not None and args.out.suffix.lower() != '.png':
        parser.error(f'--out {args.out}: give a file name that ends in .png')
    try:
        subsets = load_subsets(args.annotations)
    except UserError as error:
        print(f'stats.py: error: {error}', file=sys.stderr)
        return 2
    header, rows = class_table(subsets)
    print(plain(header, rows))
    if args.json is not None:
        write_json(args.json, {row[0]: {name: int(cell) for name, cell in
                                        zip(header[1:], row[1:], strict=True)} for row in rows})
    if args.out is not None:
        write_png(args.out, draw_statistics(subsets))
        print(f'histograms: {args.out}')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
