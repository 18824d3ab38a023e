"""Segment volumes: NIfTI or NRRD in, NIfTI out in the input's own space.

    python tools/infer_volume.py CONFIG CHECKPOINT case.nii.gz out
    python tools/infer_volume.py CONFIG CHECKPOINT t1.nii.gz,t1c.nii.gz,t2.nii.gz,- out
    python tools/infer_volume.py CONFIG CHECKPOINT folder out --page

IN is a file with all channels, one file per channel joined by commas ("-" for a missing one), or a
folder of such files. OUT gets NAME.nii.gz, label values as uint8, with the shape and affine of the
input; with --pictures NAME.png, three planes with contours; with --page NAME.html, one offline page
to scroll through the case. Finished cases are kept: run the same command again to go on. A case
that cannot be read is reported at the end, and the exit code is then 1.
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from mmengine.config import DictAction

from medseg.cli import load_config, reports_user_errors
from medseg.engine import compat
from medseg.errors import UserError
from projects.lightmedseg.case_page import write_montage, write_page
from projects.lightmedseg.datasets.decathlon import stem
from projects.lightmedseg.datasets.volume_file import is_volume, read_volume, write_labels
from projects.lightmedseg.volume_predictor import VolumePredictor


def parse_args(argv=None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('source', metavar='IN', help='volume, volumes joined by commas, or folder')
    parser.add_argument('out', type=Path, metavar='OUT', help='folder of the results')
    parser.add_argument('--pictures', action='store_true', help='also write NAME.png')
    parser.add_argument('--page', action='store_true', help='also write NAME.html')
    parser.add_argument('--overwrite', action='store_true', help='predict finished cases again')
    parser.add_argument('--device', help='such as cpu or cuda:0 (default: a GPU if there is one)')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings of the config, such as model.test_cfg.overlap=0.25')
    return parser.parse_args(argv)


def find_cases(source: str) -> list[tuple[str, list[Path | None]]]:
    """Name and files of each case.

    Raises:
        UserError: Nothing to predict on.
    """
    if Path(source).is_dir():
        found = [(stem(path), [path]) for path in sorted(Path(source).iterdir())
                 if is_volume(path) and not path.name.startswith('.')]
        if not found:
            raise UserError(f'{source}: holds no .nii, .nii.gz or .nrrd file')
        return found
    files = [Path(part) if part.strip('- ') else None for part in source.split(',')]
    present = [path for path in files if path is not None]
    if not present:
        raise UserError(f'{source}: names no file')
    for path in present:
        if not path.exists():
            raise UserError(f'{path}: no such file or folder')
    return [(stem(present[0]), files)]


@reports_user_errors
def main(argv=None) -> int:
    """Predict; returns the exit code."""
    args = parse_args(argv)
    compat.setup()
    config = load_config(args.config, args.cfg_options)
    cases = find_cases(args.source)
    device = args.device or ('cuda:0' if torch.cuda.is_available() else 'cpu')
    predictor = VolumePredictor(config, args.checkpoint, device)
    args.out.mkdir(parents=True, exist_ok=True)
    failed = []
    for number, (name, files) in enumerate(cases, start=1):
        target = args.out / f'{name}.nii.gz'
        if target.exists() and not args.overwrite:
            print(f'[{number}/{len(cases)}] {name}: kept')
            continue
        try:
            labels = predictor(files, progress=sys.stderr.isatty())
        except UserError as error:
            print(f'[{number}/{len(cases)}] {error}', file=sys.stderr)
            failed.append(name)
            continue
        classes = predictor.classes or tuple(map(str, range(int(labels.array.max()) + 1)))
        if args.pictures or args.page:
            image = read_volume(next(file for file in files if file is not None))
            if args.pictures:
                write_montage(args.out / f'{name}.png', image, labels.array, classes)
            if args.page:
                write_page(args.out / f'{name}.html', name, image, labels.array, classes)
        write_labels(target, labels.array, labels.affine)
        print(f'[{number}/{len(cases)}] {name}: {target}')
    if failed:
        print(f'{len(failed)} of {len(cases)} cases failed: {", ".join(failed)}', file=sys.stderr)
    return int(bool(failed))


if __name__ == '__main__':
    raise SystemExit(main())
