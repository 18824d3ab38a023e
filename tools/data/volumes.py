"""Lists of 3-D cases: make one from a folder of the field, check one, count one.

    python tools/data/volumes.py list path/to/BraTS data/brats.json
    python tools/data/volumes.py check data/brats.json

`list` reads nnU-Net's raw folders, BraTS and ACDC as they are, splits by patient and writes a
Decathlon list that names the files where they lie; nothing is copied. `check` reads every file and
reports what training would trip over; its exit code is 1 if a case cannot be used.
"""
from __future__ import annotations

import argparse
import os
import random
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.progress import track

from medseg.cli import reports_user_errors
from medseg.data.findings import Finding
from medseg.errors import UserError
from medseg.io import write_json
from projects.lightmedseg.datasets.check_volumes import check_case, listed_cases
from projects.lightmedseg.datasets.layouts import READERS, FoundCase, Layout, recognise


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest='command', required=True)
    make = commands.add_parser('list', help='write a list of a folder')
    make.add_argument('folder', type=Path, help='folder of the data set')
    make.add_argument('out', type=Path, help='the list to write, a .json file')
    make.add_argument('--layout', choices=sorted(READERS), help='default: recognised')
    make.add_argument('--shares', type=float, nargs=3, default=(0.7, 0.1, 0.2),
                      metavar=('TRAIN', 'VAL', 'TEST'),
                      help='shares of the patients (default: 0.7 0.1 0.2)')
    make.add_argument('--seed', type=int, default=0, help='of the split (default: %(default)s)')
    check = commands.add_parser('check', help='check every case of a list')
    check.add_argument('list', type=Path, help='a Decathlon list, such as dataset.json')
    check.add_argument('--json', type=Path, metavar='FILE', help='also write the findings there')
    check.add_argument('--quiet', action='store_true', help='no progress bar')
    return parser.parse_args(argv)


def split_patients(patients: list[str], shares: list[float], seed: int) -> dict[str, list[str]]:
    """Patients of each subset; every subset with a share gets at least one.

    Raises:
        UserError: Shares below 0 or all 0, or fewer patients than subsets.
    """
    if min(shares) < 0 or sum(shares) <= 0 or shares[0] == 0:
        raise UserError(f'--shares {shares}: need three shares from 0, the first above 0')
    wanted = sum(share > 0 for share in shares)
    if len(patients) < wanted:
        raise UserError(f'{len(patients)} patients cannot be split into {wanted} subsets')
    order = sorted(patients)
    random.Random(seed).shuffle(order)
    counts = [max(int(share > 0), round(share / sum(shares) * len(order))) for share in shares]
    counts[0] = len(order) - counts[1] - counts[2]
    if counts[0] < 1:
        raise UserError(f'{len(order)} patients leave none for training with --shares {shares}')
    second = counts[0] + counts[1]
    return {'training': order[:counts[0]], 'validation': order[counts[0]:second],
            'test': order[second:]}


def _entry(case: FoundCase, folder: Path) -> dict:
    def place(path: Path) -> str:
        return Path(os.path.relpath(path, folder)).as_posix()

    images = [place(path) for path in case.channels]
    return dict(name=case.name, patient=case.patient,
                image=images[0] if len(images) == 1 else images,
                **({'label': place(case.label)} if case.label else {}))


def write_list(layout: Layout, out: Path, subsets: dict[str, list[str]], source: Path) -> None:
    """Write a layout's cases as a Decathlon list."""
    write_json(out, {
        'name': source.resolve().name,
        'modality': {str(i): name for i, name in enumerate(layout.channels)},
        'labels': {str(i): name for i, name in enumerate(layout.classes)},
        **({'label_map': {str(k): v for k, v in layout.label_map.items()}}
           if layout.label_map else {}),
        **{subset: [_entry(case, out.parent) for case in layout.cases if case.patient in patients]
           for subset, patients in subsets.items()}}, indent=1)


def _print(console: Console, findings: list[Finding]) -> None:
    for finding in findings:
        console.print(f'{finding}', soft_wrap=True, highlight=False, markup=False)


def make_list(args: argparse.Namespace, console: Console) -> int:
    """The command ``list``."""
    name = args.layout or recognise(args.folder)
    if not args.folder.is_dir():
        raise UserError(f'{args.folder}: no such folder')
    layout = READERS[name](args.folder)
    _print(console, layout.findings)
    if not layout.cases:
        raise UserError(f'{args.folder}: no usable case in the layout {name}')
    labelled = [case for case in layout.cases if case.label is not None]
    for case in layout.cases:
        if case.label is None:
            console.print(f'{case.name}: has no label; left out of the split', highlight=False)
    layout.cases = labelled
    subsets = split_patients(sorted({case.patient for case in labelled}), list(args.shares),
                             args.seed)
    write_list(layout, args.out, subsets, args.folder)
    counts = ', '.join(f'{len(patients)} {subset}' for subset, patients in subsets.items())
    console.print(f'{args.out}: {name}, {len(labelled)} cases of '
                  f'{sum(map(len, subsets.values()))} patients ({counts}), '
                  f'{len(layout.findings)} not usable', soft_wrap=True, highlight=False)
    return 0


def check(args: argparse.Namespace, console: Console) -> int:
    """The command ``check``."""
    cases, findings = listed_cases(args.list), []
    for listed in track(cases, 'cases', console=console, disable=args.quiet):
        findings += check_case(listed)
    _print(console, findings)
    if args.json:
        write_json(args.json, [vars(finding) for finding in findings], indent=1)
    bad = {(f.subset, f.record) for f in findings if f.skipped}
    kinds = Counter(f.kind for f in findings)
    console.print(f'{args.list}: {len(cases)} cases, {len(bad)} cannot be used'
                  + (': ' + ', '.join(f'{n} x {k}' for k, n in kinds.items()) if kinds else ''),
                  soft_wrap=True, highlight=False)
    return int(bool(bad))


@reports_user_errors
def main(argv: list[str] | None = None) -> int:
    """Run the tool; returns the exit code."""
    args = parse_args(argv)
    return {'list': make_list, 'check': check}[args.command](args, Console())


if __name__ == '__main__':
    raise SystemExit(main())
