"""Checks a COCO data set; exit code 1 if anything is found."""

from __future__ import annotations

import argparse
import functools
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from medseg.data.check import (
    check_annotations,
    check_between,
    check_images,
    check_patients,
    load_subset,
)
from medseg.data.coco_file import find_annotation_files, image_folder
from medseg.data.convert.records import UNSPLIT, ConversionError
from medseg.data.findings import Finding
from medseg.data.grouping import add_patient_options, grouping_of
from medseg.errors import UserError
from medseg.io import write_json

EPILOG = """\
Looks for missing or truncated images, wrong sizes, boxes or outlines outside their image, zero
areas, duplicate ids, unknown images and categories; between the files given, for the same image,
a near-duplicate, or the same patient in two of them.

examples:
  python tools/data/check.py data/peld
  python tools/data/check.py a/train.json a/val.json --images a/train a/val
"""


def annotation_files(given: Sequence[Path]) -> list[Path]:
    """Annotation files behind files and converted directories.

    Of a directory with a split, the file of the unsplit set is left out: it holds the same images.
    """
    files: list[Path] = []
    for path in given:
        found = find_annotation_files(path)
        if len(found) > 1:
            found.pop(UNSPLIT, None)
        files += found.values()
    return files


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the checks; returns 0 when nothing is found, 1 on findings, 2 on wrong arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('annotations', metavar='ANN', nargs='+', type=Path,
                        help='COCO files, one for each subset, or the directory of a converted set')
    parser.add_argument('--images', nargs='+', type=Path, metavar='DIR',
                        help='image folder: one for all files, or one for each (default: beside '
                        'annotations/)')
    parser.add_argument('--tolerance', type=float, default=1.0, metavar='PIXELS',
                        help='how far outside the image is still fine (default: 1)')
    parser.add_argument('--no-near', action='store_true',
                        help='look for equal images only, not for near-duplicates')
    add_patient_options(parser)
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the findings there')
    parser.add_argument('--quiet', action='store_true', help='no progress bars')
    args = parser.parse_args(argv)
    try:
        files = annotation_files(args.annotations)
        folders = args.images or [image_folder(path) for path in files]
        if len(folders) == 1:
            folders = folders * len(files)
        if len(folders) != len(files):
            raise ConversionError(f'{len(folders)} image folders for {len(files)} annotation files;'
                                  ' give one for all, or one for each')
        subsets = [load_subset(path, folder) for path, folder in zip(files, folders, strict=True)]
        asked = args.csv or args.pattern or args.yes or args.by != 'patient'
        patients = [] if args.by == 'image' else list(check_patients(
            subsets, functools.partial(grouping_of, args) if asked else None))
    except UserError as error:
        print(f'check.py: error: {error}', file=sys.stderr)
        return 2
    findings: list[Finding] = []
    prints = []
    for subset in subsets:
        findings += check_annotations(subset, args.tolerance)
        found, seen = check_images(subset, args.quiet)
        findings += found
        prints.append(seen)
    findings += check_between(subsets, prints, near=not args.no_near)
    findings += patients
    for finding in findings:
        print(finding)
    for subset in subsets:
        images, objects = (len(subset.content[key]) if isinstance(subset.content.get(key), list)
                           else 0 for key in ('images', 'annotations'))
        print(f'{subset.path}: {images} images, {objects} annotations checked')
    kinds = Counter(finding.kind for finding in findings)
    print('findings: ' + (', '.join(f'{count} x {kind}' for kind, count in kinds.items())
                          or 'none'))
    if args.json is not None:
        write_json(args.json, {'files': [str(path) for path in files],
                               'by_kind': dict(kinds),
                               'findings': [asdict(finding) for finding in findings]})
    return 1 if findings else 0


if __name__ == '__main__':
    raise SystemExit(main())
