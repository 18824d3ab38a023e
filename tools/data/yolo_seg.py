"""YOLO segmentation text files to COCO JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from medseg.data.convert.classes import load_aliases, load_class_names, merge_by_alias
from medseg.data.convert.command_line import converter_parser, run_converter
from medseg.data.convert.records import ConversionError, Reading
from medseg.data.convert.yolo_layout import class_file, find_folders
from medseg.data.convert.yolo_seg_reader import read_yolo_seg

EPILOG = """\
SRC is a folder or an Ultralytics data.yaml. Layouts of folders: SRC/images/{train,val,test} with
SRC/labels/{train,val,test}; SRC/{train,val,test}/images with .../labels; or SRC/images with
SRC/labels, which gives annotations/instances_all.json. A data.yaml may name folders of images or
text files that list them.

examples:
  python tools/data/yolo_seg.py data/raw/dsb2018 data/dsb2018 --classes nucleus
  python tools/data/yolo_seg.py data/raw/cells/data.yaml data/cells
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the converter; returns its exit code."""
    parser = converter_parser(__doc__, EPILOG)
    parser.add_argument('--classes', nargs='+', metavar='NAME',
                        help='class names by number, or one file: an Ultralytics data.yaml, a list '
                        'as JSON or YAML, or text with a name a line (default: SRC/data.yaml)')
    parser.add_argument('--aliases', default='none', metavar='FILE',
                        help='rename classes: peld, none, or a JSON or YAML file of '
                        '{class: [alias, ...]} (default: none)')
    parser.add_argument('--unlabelled', choices=('skip', 'background'), default='skip',
                        help='an image without label file is listed, or has no objects')
    args = parser.parse_args(argv)

    def read() -> tuple[Iterable[Reading], Sequence[str]]:
        names = load_class_names(args.classes or [str(class_file(args.src))])
        class_map, numbers = merge_by_alias(names, load_aliases(args.aliases))
        images = read_yolo_seg(args.src, numbers, images_stay=args.images == 'none',
                               unlabelled=args.unlabelled, quiet=args.quiet)
        return images, class_map.names

    def prefixes() -> dict[str, Path]:
        folders = find_folders(args.src)
        found = {folder.subset: folder.images for folder in folders}
        if len(found) < len(folders):
            raise ConversionError(f'{args.src}: a subset has several folders; use --images copy')
        return found

    return run_converter(args, 'yolo_seg.py', 'yolo-seg', read, prefixes)


if __name__ == '__main__':
    raise SystemExit(main())
