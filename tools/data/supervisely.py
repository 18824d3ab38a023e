"""Supervisely projects to COCO JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from medseg.data.convert.classes import ClassMap, load_aliases, load_class_names, merge_by_alias
from medseg.data.convert.command_line import converter_parser, run_converter
from medseg.data.convert.records import UNSPLIT, Reading
from medseg.data.convert.supervisely_reader import find_datasets, meta_classes, read_supervisely

EPILOG = """\
Data sets named train, val and test keep their split; all others together give
annotations/instances_all.json, to be split with tools/data/split.py.

example:
  python tools/data/supervisely.py data/raw/teeth data/teeth
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the converter; returns its exit code."""
    parser = converter_parser(__doc__, EPILOG)
    parser.add_argument('--classes', nargs='+', metavar='NAME',
                        help='class names in order, or one file of them (default: those of '
                        'SRC/meta.json)')
    parser.add_argument('--aliases', default='none', metavar='FILE',
                        help='other titles of the classes: peld (built in), none, or a JSON or '
                        'YAML file of {class: [alias, ...]} or {alias: class} (default: none)')
    parser.add_argument('--unlabelled', choices=('skip', 'background'), default='skip',
                        help='an image without annotation file is listed, or has no objects')
    parser.add_argument('--ignore-exif', action='store_true',
                        help='points are in the frame of the stored pixels, not the upright one')
    args = parser.parse_args(argv)

    def read() -> tuple[Iterable[Reading], Sequence[str]]:
        aliases = load_aliases(args.aliases)
        if args.classes:
            classes = ClassMap(load_class_names(args.classes), aliases)
        else:
            classes, _ = merge_by_alias(meta_classes(args.src), aliases)
        images = read_supervisely(args.src, classes, images_stay=args.images == 'none',
                                  unlabelled=args.unlabelled, ignore_exif=args.ignore_exif,
                                  quiet=args.quiet)
        return images, classes.names

    def prefixes() -> dict[str, Path]:
        return {subset: args.src if subset == UNSPLIT else folder / 'img'
                for folder, subset in find_datasets(args.src).items()}

    return run_converter(args, 'supervisely.py', 'supervisely', read, prefixes)


if __name__ == '__main__':
    raise SystemExit(main())
