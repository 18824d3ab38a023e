"""LabelMe JSON files to COCO JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from medseg.data.convert.classes import PELD_CLASSES, ClassMap, load_aliases, load_class_names
from medseg.data.convert.command_line import converter_parser, run_converter
from medseg.data.convert.labelme_reader import read_labelme
from medseg.data.convert.records import UNSPLIT, Reading

EPILOG = """\
Writes OUT/annotations/instances_all.json and OUT/images/; split it with
tools/data/split.py. Points are taken in the upright frame, as LabelMe shows images; an
image with an EXIF rotation is written upright, as PNG.

example:
  python tools/data/labelme.py data/raw/peld data/peld
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the converter; returns its exit code."""
    parser = converter_parser(__doc__, EPILOG)
    parser.add_argument('--classes', nargs='+', metavar='NAME', default=list(PELD_CLASSES),
                        help='class names in order, or one file of them (default: '
                        f'{", ".join(PELD_CLASSES)})')
    parser.add_argument('--aliases', default='peld', metavar='FILE',
                        help='other labels of the classes: peld (built in), none, or a JSON or '
                        'YAML file of {class: [alias, ...]} or {alias: class} (default: peld)')
    parser.add_argument('--unlabelled', choices=('skip', 'background'), default='skip',
                        help='an image without a JSON file is listed, or has no objects')
    parser.add_argument('--ignore-exif', action='store_true',
                        help='points are in the frame of the stored pixels, not the upright one')
    args = parser.parse_args(argv)

    def read() -> tuple[Iterable[Reading], Sequence[str]]:
        classes = ClassMap(load_class_names(args.classes), load_aliases(args.aliases))
        images = read_labelme(args.src, classes, images_stay=args.images == 'none',
                              unlabelled=args.unlabelled, ignore_exif=args.ignore_exif,
                              quiet=args.quiet)
        return images, classes.names

    def prefixes() -> dict[str, Path]:
        return {UNSPLIT: args.src}

    return run_converter(args, 'labelme.py', 'labelme', read, prefixes)


if __name__ == '__main__':
    raise SystemExit(main())
