"""Folders of the field as lists of cases: nnU-Net, BraTS, ACDC, and pairs of image and label."""
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from medseg.data.findings import Finding
from medseg.errors import UserError
from medseg.io import read_json

from .decathlon import stem
from .volume_file import is_volume


@dataclass
class FoundCase:
    """A case as found in a folder: its channel files in order, its label, whose it is."""

    name: str
    patient: str
    channels: list[Path]
    label: Path | None


@dataclass
class Layout:
    """What a folder holds.

    Attributes:
        classes: Names by label value.
        channels: Names of the channels.
        cases: Usable cases.
        findings: Cases that cannot be used, each with its reason.
        label_map: Label values of the files to those of ``classes``, where they differ.
    """

    classes: tuple[str, ...]
    channels: tuple[str, ...]
    cases: list[FoundCase] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    label_map: Mapping[int, int] | None = None

    def refuse(self, file: Path, name: str, kind: str, reason: str) -> None:
        """List a case that cannot be used."""
        self.findings.append(Finding(str(file), f'case {name}', kind, reason, records=1))


#: Spellings of BraTS' modalities over the years.
BRATS_CHANNELS = {'T1': ('t1', 't1n'), 'T1c': ('t1ce', 't1c', 't1gd'), 'T2': ('t2', 't2w'),
                  'FLAIR': ('flair', 't2f')}
BRATS_CLASSES = ('background', 'edema', 'non-enhancing core', 'enhancing core')
#: BraTS: 1 necrotic or non-enhancing core, 2 oedema, 4 (since 2023: 3) enhancing.
BRATS_LABELS = {0: 0, 1: 2, 2: 1, 3: 3, 4: 3}
ACDC_CLASSES = ('background', 'right ventricle', 'myocardium', 'left ventricle')


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and is_volume(path)
                  and not path.name.startswith('.'))


def read_brats(folder: Path) -> Layout:
    """BraTS: a folder per patient with four modalities and ``..._seg``, 2013 to 2024 spellings."""
    layout = Layout(BRATS_CLASSES, tuple(BRATS_CHANNELS), label_map=BRATS_LABELS)
    for patient in sorted(p for p in folder.rglob('*') if p.is_dir()):
        parts = {re.split(r'[_-]', stem(path).lower())[-1]: path for path in _files(patient)}
        if not parts:
            continue
        found = {channel: next((parts[s] for s in spellings if s in parts), None)
                 for channel, spellings in BRATS_CHANNELS.items()}
        missing = [channel for channel, path in found.items() if path is None]
        if len(missing) == len(found):
            continue  # a folder of something else
        if missing:
            layout.refuse(patient, patient.name, 'missing modality', f'no {", ".join(missing)}')
            continue
        # BraTS-GLI-00005-100: the last number is the time point of one patient.
        whose = re.match(r'(BraTS-[A-Za-z]+-\d+)-\d+$', patient.name)
        layout.cases.append(FoundCase(patient.name, whose[1] if whose else patient.name,
                                      [found[c] for c in BRATS_CHANNELS], parts.get('seg')))
    return layout


def read_acdc(folder: Path) -> Layout:
    """ACDC: ``patient001/patient001_frame01.nii.gz`` with ``..._gt``; both frames of a patient
    belong together."""
    layout = Layout(ACDC_CLASSES, ('cine MR',))
    for patient in sorted(p for p in folder.rglob('patient*') if p.is_dir()):
        for path in _files(patient):
            name = stem(path)
            if not re.fullmatch(r'.*_frame\d+', name):
                continue
            label = path.with_name(path.name.replace(name, f'{name}_gt'))
            if not label.is_file():
                layout.refuse(path, name, 'missing label', f'no {label.name}')
                continue
            layout.cases.append(FoundCase(name, patient.name, [path], label))
    return layout


def read_nnunet(folder: Path) -> Layout:
    """nnU-Net's raw folder: ``imagesTr/NAME_0000.nii.gz`` per channel, ``labelsTr/NAME.nii.gz``."""
    content = read_json(folder / 'dataset.json')
    channels = content.get('channel_names') or content.get('modality') or {}
    labels = content.get('labels') or {}
    pairs = {int(v): k for k, v in labels.items() if isinstance(v, int)} if 'background' in labels \
        else {int(k): v for k, v in labels.items()}
    layout = Layout(tuple(pairs[i] for i in sorted(pairs)),
                    tuple(channels[str(i)] for i in range(len(channels))))
    images: dict[str, dict[int, Path]] = {}
    for path in _files(folder / 'imagesTr'):
        parts = re.fullmatch(r'(.+)_(\d{4})', stem(path))
        if parts is None:
            layout.refuse(path, stem(path), 'no channel number', 'expected NAME_0000')
            continue
        images.setdefault(parts[1], {})[int(parts[2])] = path
    for name, found in sorted(images.items()):
        missing = [i for i in range(len(channels)) if i not in found]
        label = next((p for p in _label_names(folder / 'labelsTr', name) if p.is_file()), None)
        if missing:
            layout.refuse(folder / 'imagesTr', name, 'missing modality',
                          ', '.join(f'no {name}_{i:04d} ({channels[str(i)]})' for i in missing))
        elif label is None:
            layout.refuse(folder / 'labelsTr', name, 'missing label', f'no {name}.nii.gz')
        else:
            layout.cases.append(FoundCase(name, name, [found[i] for i in range(len(channels))],
                                          label))
    return layout


def _label_names(folder: Path, name: str) -> Iterator[Path]:
    yield from (folder / f'{name}{suffix}' for suffix in ('.nii.gz', '.nii', '.nrrd'))


READERS = {'brats': read_brats, 'acdc': read_acdc, 'nnunet': read_nnunet}


def recognise(folder: Path) -> str:
    """Name of the layout of a folder.

    Raises:
        UserError: It is none of :data:`READERS`.
    """
    if not folder.is_dir():
        raise UserError(f'{folder}: no such folder')
    if (folder / 'imagesTr').is_dir() and (folder / 'dataset.json').is_file():
        return 'nnunet'
    if any(folder.rglob('*_frame[0-9]*.nii*')):
        return 'acdc'
    if any(re.search(r'[_-](flair|t2f)\.nii(\.gz)?$', path.name, re.I)
           for path in folder.rglob('*.nii*')):
        return 'brats'
    raise UserError(f'{folder}: is none of the layouts {", ".join(READERS)}; name one with '
                    '--layout, or write a Decathlon list (docs/lightmedseg.md)')
