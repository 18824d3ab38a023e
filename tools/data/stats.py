"""Counts the instances of a COCO data set, as Table I of the paper, and draws histograms."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medseg.data.coco_file import class_table, find_annotation_files, load_drawable
from medseg.data.convert.records import UNSPLIT
from medseg.data.pictures import draw_statistics, write_png
from medseg.errors import UserError
from medseg.io import write_json
from medseg.tables import plain

EPILOG = """\
examples:
  python tools/data/stats.py data/peld --out work_dirs/peld_statistics.png
  python tools/data/stats.py a/train.json a/val.json --json counts.json
"""


def load_subsets(given: Sequence[Path]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """COCO content by subset name, of files and of directories of converted sets.

    Returns:
        The content, and a line for each file of which something was left out.

    Raises:
        UserError: nothing is found, or a file cannot be used.
    """
    subsets: dict[str, dict[str, Any]] = {}
    told: list[str] = []
    for path in given:
        found = find_annotation_files(path)
        if len(found) > 1:
            found.pop(UNSPLIT, None)  # a split of it is there, which holds the same images
        for name, file in found.items():
            content, left_out = load_drawable(file)
            if left_out:
                told.append(left_out)
            subsets[name if name not in subsets else str(file)] = content
    return subsets, told


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the tool; returns 0, 1 where something was left out, 2 where a file cannot be used."""
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
        subsets, told = load_subsets(args.annotations)
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
    for line in told:
        print(line, file=sys.stderr)
    return 1 if told else 0


if __name__ == '__main__':
    raise SystemExit(main())
