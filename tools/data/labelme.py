"""LabelMe JSON files to COCO JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from medseg.data.convert.classes import (
    PELD_CLASSES,
    ClassMap,
    load_aliases,
    load_class_names,
    merge_by_alias,
)
from medseg.data.convert.command_line import converter_parser, run_converter
from medseg.data.convert.labelme_reader import labels_of, read_labelme
from medseg.data.convert.records import UNSPLIT, Reading

EPILOG = """\
Writes OUT/annotations/instances_all.json and OUT/images/; split it with
tools/data/split.py. Points are taken in the upright frame, as LabelMe shows images; an
image with an EXIF rotation is written upright, as PNG.

examples:
  python tools/data/labelme.py data/raw/cells data/cells
  python tools/data/labelme.py data/raw/peld data/peld --classes peld
"""


def class_map(source: Path, names: Sequence[str] | None, aliases: str | None) -> ClassMap:
    """The classes that the command line names, or those of the files.

    Raises:
        ConversionError: a file of names cannot be read, or no file has a label.
    """
    if names == ['peld']:
        return ClassMap(PELD_CLASSES, load_aliases(aliases or 'peld'))
    if names:
        return ClassMap(load_class_names(names), load_aliases(aliases))
    return merge_by_alias(labels_of(source), load_aliases(aliases))[0]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the converter; returns its exit code."""
    parser = converter_parser(__doc__, EPILOG)
    parser.add_argument('--classes', nargs='+', metavar='NAME',
                        help='class names in order, or one file of them, or peld for '
                        f'{", ".join(PELD_CLASSES)} (default: the labels of the files, sorted)')
    parser.add_argument('--aliases', metavar='FILE',
                        help='other labels of the classes: peld (built in), none, or a JSON or '
                        'YAML file of {class: [alias, ...]} or {alias: class} (default: peld with '
                        '--classes peld, else none)')
    parser.add_argument('--unlabelled', choices=('skip', 'background'), default='skip',
                        help='an image without a JSON file is listed, or has no objects')
    parser.add_argument('--ignore-exif', action='store_true',
                        help='points are in the frame of the stored pixels, not the upright one')
    parser.add_argument('--allow-outside', action='store_true',
                        help='also read images outside SRC, where imagePath or a link leads')
    parser.add_argument('--holes', action='store_true',
                        help='a polygon inside another of the same group is a hole in it (default: '
                        'it is filled, with a warning)')
    args = parser.parse_args(argv)

    def read() -> tuple[Iterable[Reading], Sequence[str]]:
        classes = class_map(args.src, args.classes, args.aliases)
        images = read_labelme(args.src, classes, images_stay=args.images == 'none',
                              unlabelled=args.unlabelled, ignore_exif=args.ignore_exif,
                              allow_outside=args.allow_outside, holes=args.holes, quiet=args.quiet)
        return images, classes.names

    def prefixes() -> dict[str, Path]:
        return {UNSPLIT: args.src}

    return run_converter(args, 'labelme.py', 'labelme', read, prefixes)


if __name__ == '__main__':
    raise SystemExit(main())
