"""Splits a COCO data set into train, val and test, or K folds of them, patients kept whole."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medseg.data.coco_file import (
    SUBSETS,
    checked_structure,
    class_table,
    find_annotation_files,
    load_coco,
    output_name,
)
from medseg.data.coco_rules import left_out_line, usable_content
from medseg.data.convert.images import LINK_MODES, place_image
from medseg.data.convert.progress import progress
from medseg.data.convert.records import UNSPLIT, ConversionError, SourceImage
from medseg.data.convert.writer import staged, subset_folder
from medseg.data.folds import MANIFEST, fold_contents, fold_file
from medseg.data.grouping import Grouping, add_patient_options, grouping_of
from medseg.data.layouts import find_coco_files, load_part
from medseg.data.splitting import (
    image_sizes,
    split_content,
    subset_sizes,
)
from medseg.errors import UserError, printable
from medseg.io import write_json
from medseg.tables import plain

EPILOG = """\
Every class is shared as evenly as the patients allow. The same seed gives the same split.
file_name stays as it is. Where OUT has no images of its own, OUT/images gets links to those of SRC,
so that OUT is a complete set.

examples:
  python tools/data/split.py data/peld data/peld
  python tools/data/split.py data/own/annotations/instances_all.json data/own \\
      --pattern '([A-Z]{2}\\d+)_'
  python tools/data/split.py data/peld data/peld_by_image --by image --images symlink
  python tools/data/split.py data/peld data/peld --folds 5
      (then: python tools/benchmark.py CONFIG --train --folds 5 --data-root data/peld ...)
"""


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Arguments of the tool."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('src', metavar='SRC', type=Path, help='a COCO file, or the output '
                        'directory of a converter (a split in it is undone and made anew)')
    parser.add_argument('out', metavar='OUT', type=Path, help='gets annotations/instances_'
                        '{train,val,test}.json and split.json; may be SRC itself')
    parser.add_argument('--ratios', nargs=3, type=float, default=[8, 1, 1],
                        metavar=('TRAIN', 'VAL', 'TEST'), help='default: 8 1 1')
    parser.add_argument('--folds', type=int, metavar='K', help='K folds instead: every patient is '
                        'tested in one of them; OUT gets annotations/instances_{train,val,test}_'
                        'fold{1..K}.json and folds.json. The rest of each fold is shared by TRAIN '
                        'and VAL of --ratios')
    parser.add_argument('--counts', nargs=3, type=int, metavar=('TRAIN', 'VAL', 'TEST'),
                        help='exact numbers of patients (of images with --by image)')
    add_patient_options(parser)
    parser.add_argument('--seed', type=int, default=0, help='default: 0')
    parser.add_argument('--images', choices=LINK_MODES,
                        help='how images get into OUT/images (default: none where they are there '
                        'already or nobody knows where they are, else symlink)')
    parser.add_argument('--image-dir', type=Path, help='image folder of a COCO file, where it is '
                        'not beside annotations/')
    parser.add_argument('--overwrite', action='store_true',
                        help='replace an earlier split in OUT')
    args = parser.parse_args(argv)
    if args.seed < 0:
        parser.error('--seed must not be negative')
    if args.folds is not None and args.counts is not None:
        parser.error('--folds and --counts do not go together')
    return args


def load_source(source: Path, image_dir: Path | None) -> tuple[dict[str, Any], Path | None, list]:
    """COCO content to split, its image folder where that is known, and the files it came from.

    The parts of a converted set with a split are joined: their ids are given anew, and
    ``file_name`` starts with the folder of the subset.

    Raises:
        ConversionError: nothing is found, or the parts differ in categories.
    """
    try:
        files = find_annotation_files(source)
    except UserError:
        files = find_coco_files(source)  # another tool's layout
    if UNSPLIT in files:
        files = {UNSPLIT: files[UNSPLIT]}
    if len(files) == 1:
        path = next(iter(files.values()))
        if image_dir is not None:
            return load_coco(path), image_dir, [path]
        try:
            part = load_part(path, source if source.is_dir() else path.parent.parent)
        except UserError:
            return load_coco(path), None, [path]
        return checked_structure(part.content, path), part.images, [path]
    joined: dict[str, Any] = {'images': [], 'annotations': []}
    for subset, path in files.items():
        content = load_coco(path)
        if joined.setdefault('categories', content['categories']) != content['categories']:
            raise ConversionError(f'{path}: categories differ from those of the other subsets')
        ids = {}
        # after an earlier split the images lie together
        shared = not (source / subset_folder(subset)).is_dir() and (source / 'images').is_dir()
        folder = 'images' if shared else subset_folder(subset)
        for image in content['images']:
            ids[image['id']] = len(joined['images']) + 1
            joined['images'].append({
                **image, 'id': ids[image['id']], 'file_name': f'{folder}/{image["file_name"]}'})
        for annotation in content['annotations']:
            if annotation['image_id'] not in ids:
                raise ConversionError(f'{path}: annotation {annotation["id"]} is of image '
                                      f'{annotation["image_id"]}, which is not there')
            joined['annotations'].append({**annotation, 'id': len(joined['annotations']) + 1,
                                          'image_id': ids[annotation['image_id']]})
    return joined, image_dir or source, list(files.values())


def split(args: argparse.Namespace) -> None:
    """Makes the split, writes it and prints its table.

    Raises:
        ConversionError: something in the source or in the options does not fit.
    """
    content, folder, files = load_source(args.src, args.image_dir)
    if args.images is None:
        target = args.out / 'images'
        at_home = folder is None or folder.resolve() == target.resolve() or all(
            (target / output_name(image['file_name'])).is_file() for image in content['images'])
        args.images = 'none' if at_home else 'symlink'
    if not content['images']:
        raise ConversionError(f'{args.src}: holds no images')
    content, left_out = usable_content(content, str(args.src), training=False)
    if left_out:
        print(f'warning: {left_out_line(str(args.src), left_out)}', file=sys.stderr)
    names = [image['file_name'] for image in content['images']]
    grouping = grouping_of(args, names)
    patients = grouping and grouping.patients
    keys = names if args.by == 'image' else patients
    unique = sorted(set(keys))
    if args.by == 'image' and len(unique) != len(names):
        raise ConversionError(f'{args.src}: a file_name occurs twice; run check.py')
    if args.folds is not None:
        make_folds(args, content, grouping, keys, (folder, files))
        return
    if args.counts is not None:
        sizes = args.counts
        if min(sizes) < 0 or sum(sizes) != len(unique):
            raise ConversionError(f'--counts {sizes} add up to {sum(sizes)}, but there are '
                                  f'{len(unique)} {"images" if args.by == "image" else "patients"}')
    elif args.by != 'image':
        sizes = subset_sizes(len(unique), args.ratios)
    else:
        sizes = image_sizes(len(names), args.ratios, len(set(patients)) if patients else None)
    parts = split_content(content, keys, sizes, args.seed)
    manifest = describe(args, parts, dict(zip(names, patients or [], strict=False)))
    manifest['rule'] = grouping and grouping.rule
    write(args, {f'annotations/instances_{subset}.json': part for subset, part in parts.items()},
          'split.json', manifest, folder, files)
    print(plain(*class_table(parts)))
    if grouping is not None:
        print(printable(grouping.summary()))
    if args.by != 'image':
        print('patients: ' + ', '.join(
            f'{subset} {len(manifest["subsets"][subset]["patients"])}' for subset in SUBSETS))
    else:
        shared = manifest.get('patients_in_several_subsets')
        told = (f'{len(shared)} patients have images in more than one subset' if shared is not None
                else 'images of one patient may be in more than one subset')
        print(f'warning: split by image: {told}; results on val and test are too good', flush=True)
    say_where(args, folder)


def make_folds(args: argparse.Namespace, content: dict[str, Any], grouping: Grouping | None,
               keys: Sequence[str], source: tuple[Path | None, list[Path]]) -> None:
    """Makes K folds, writes them and prints what each tests.

    Raises:
        ConversionError: there are too few patients, or the output cannot be written.
    """
    folds = fold_contents(content, keys, args.folds, args.ratios, args.seed)
    names = [image['file_name'] for image in content['images']]
    patient_of = dict(zip(names, grouping.patients if grouping else [], strict=False))
    described = [describe(args, parts, patient_of) for parts in folds]
    manifest = {key: value for key, value in described[0].items()
                if key not in ('subsets', 'patients_in_several_subsets')}
    manifest['rule'] = grouping and grouping.rule
    manifest['folds'] = [item['subsets'] for item in described]
    # the test parts come first: together they hold every image once
    parts = {fold_file(subset, number): found[subset] for subset in ('test', 'train', 'val')
             for number, found in enumerate(folds, start=1)}
    write(args, parts, MANIFEST, manifest, *source)
    print(plain(*class_table({f'fold {number}': found['test']
                              for number, found in enumerate(folds, start=1)})))
    if grouping is not None:
        print(printable(grouping.summary()))
    if args.by == 'image':
        print('warning: folds by image: images of one patient may be trained and tested on; '
              'results are too good', flush=True)
    else:
        for number, subsets in enumerate(manifest['folds'], start=1):
            print(f'fold {number}: patients: ' + ', '.join(
                f'{subset} {len(subsets[subset]["patients"])}' for subset in SUBSETS))
    say_where(args, source[0])


def say_where(args: argparse.Namespace, folder: Path | None) -> None:
    """Prints where annotations and images are."""
    prefix = f'{args.out / "images"}' if args.images != 'none' else folder
    print(f'written to {args.out / "annotations"}; img prefix: {prefix or "as before"}')


def describe(args: argparse.Namespace, parts: dict[str, Any],
             patient_of: dict[str, str]) -> dict[str, Any]:
    """Content of split.json; adds ``patient`` to the images where it is known.

    Raises:
        AssertionError: a split by patient has a patient in two subsets.
    """
    where: dict[str, set[str]] = {}
    subsets = {}
    for subset, part in parts.items():
        for image in part['images']:
            if image['file_name'] in patient_of:
                image['patient'] = patient_of[image['file_name']]
                where.setdefault(image['patient'], set()).add(subset)
        subsets[subset] = {
            'images': len(part['images']), 'annotations': len(part['annotations']),
            'patients': sorted(name for name, seen in where.items() if subset in seen),
            'file_names': [image['file_name'] for image in part['images']]}
    several = sorted(name for name, seen in where.items() if len(seen) > 1)
    if args.by != 'image' and several:
        raise AssertionError(f'patients in two subsets: {several}')
    manifest = {'source': str(args.src), 'by': args.by, 'seed': args.seed,
                'ratios': args.ratios if args.counts is None else None, 'counts': args.counts,
                'pattern': args.pattern,
                'csv': str(args.csv) if args.csv else None, 'subsets': subsets}
    if patient_of:
        manifest['patients_in_several_subsets'] = several
    return manifest


def write(args: argparse.Namespace, parts: dict[str, dict[str, Any]], manifest_name: str,
          manifest: dict[str, Any], folder: Path | None, files: Sequence[Path]) -> None:
    """Writes annotation files, by name, images and manifest; an interruption leaves nothing.

    Raises:
        ConversionError: a target exists or is one of the source's files, or an image is missing.
    """
    for name in parts:
        target = args.out / name
        if target.resolve() in {path.resolve() for path in files}:
            raise ConversionError(f'{target}: is the source itself; give another OUT')
    if args.images != 'none' and folder is None:
        raise ConversionError(f'{args.src}: image folder unknown; give it with --image-dir')
    with staged(args.out, args.overwrite, beside=True) as stage:
        placed: set[str] = set()
        for name, part in parts.items():
            write_json(stage / name, part)
            images = [] if args.images == 'none' else [
                image for image in part['images'] if image['file_name'] not in placed]
            for image in progress(images, f'images of {Path(name).stem}', quiet=not images):
                placed.add(image['file_name'])
                path = folder / image['file_name']
                if not path.is_file():
                    raise ConversionError(f'{path}: no such image; give --image-dir')
                record = SourceImage(name, image['file_name'], image['width'], image['height'],
                                     path=path)
                place_image(record, stage / 'images' / output_name(image['file_name']),
                            args.images)
        write_json(stage / manifest_name, manifest)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the tool; returns 0, or 2 where the source or an option does not fit."""
    args = parse_args(argv)
    try:
        split(args)
    except UserError as error:
        print(f'split.py: error: {error}', file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
