"""Lung fields on CT slices as COCO: one scan to train on, one to validate and test on.

    pip download --no-deps --no-binary pyradiomics --no-build-isolation pyradiomics==3.0.1
    tar xf pyradiomics-3.0.1.tar.gz
    python tools/data/lung_fields.py pyradiomics-3.0.1/data/lung1_image.nrrd \\
        pyradiomics-3.0.1/data/lung2_image.nrrd data/lungs

The label is a threshold of the scan (projects/hrmedseg/datasets/lung_fields.py). Slices are written
as PNG in the window from -1000 to 400 HU. Any chest CT in HU will do, NRRD or NIfTI.
"""
from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from medseg.cli import reports_user_errors
from medseg.errors import UserError
from medseg.io import write_bytes, write_json
from medseg.metrics.rle import encode_masks
from projects.hrmedseg.datasets.lung_fields import SMALLEST, slices_with_lung
from projects.lightmedseg.datasets.volume_file import read_volume

SUBSETS = {'train': ('train',), 'test': ('val', 'test')}


def write_scan(file: Path, out: Path, first_id: int, smallest: int) -> dict:
    """Write a scan's pictures; returns its COCO content."""
    # (X, Y, Z) to slices of rows and columns.
    scan = np.asarray(read_volume(file).array).transpose(2, 1, 0)
    numbers, pictures, masks = slices_with_lung(scan, str(file), smallest)
    images, annotations = [], []
    for number, picture, mask, rle in zip(numbers.tolist(), pictures, masks, encode_masks(masks),
                                          strict=True):
        name, image_id = f'{file.stem}_{number:03d}.png', first_id + len(images)
        write_bytes(out / 'images' / name, cv2.imencode('.png', picture)[1].tobytes())
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = [columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]
        images.append(dict(id=image_id, file_name=name, height=mask.shape[0],
                           width=mask.shape[1], patient=file.stem))
        annotations.append(dict(id=image_id, image_id=image_id, category_id=1, iscrowd=0,
                                bbox=[int(v) for v in box], area=int(mask.sum()),
                                segmentation=rle))
    return dict(images=images, annotations=annotations, categories=[dict(id=1, name='lung')])


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Convert; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('train', type=Path, help='scan to train on')
    parser.add_argument('test', type=Path, help="another patient's scan")
    parser.add_argument('out', type=Path, help='new folder: annotations/ and images/')
    parser.add_argument('--smallest', type=int, default=SMALLEST, metavar='VOXELS',
                        help='smallest component that is lung (default: %(default)s)')
    args = parser.parse_args(argv)
    if args.out.exists() and (not args.out.is_dir() or any(args.out.iterdir())):
        raise UserError(f'{args.out}: is not empty; name a new folder')
    if args.train.stem == args.test.stem:
        raise UserError(f'{args.train} and {args.test}: have one name; name two scans')
    first = 1
    for subset, names in SUBSETS.items():
        content = write_scan(getattr(args, subset), args.out, first, args.smallest)
        first += len(content['images'])
        for name in names:
            write_json(args.out / 'annotations' / f'instances_{name}.json', content)
        print(f'{subset}: {len(content["images"])} slices of {getattr(args, subset).name}')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
