"""Make a SynBrain data set: NIfTI files and Decathlon lists, resumable."""
from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import nibabel
import numpy as np

from medseg.data.generated_folder import claim
from medseg.io import replacing, write_json

from .contrast import MODALITIES
from .lesions import LESION_LABELS
from .patient import TISSUE_LABELS, make_patient

MARKER = 'synbrain.info'
#: Raised whenever the same settings give other volumes.
RECIPE = 1
TASKS = {'lesion': LESION_LABELS, 'tissue': TISSUE_LABELS}


@dataclass(frozen=True)
class Summary:
    """What a set holds: patients in all, those made now, patients per subset."""

    patients: int
    made: int
    subsets: dict[str, int]


def stem_of(number: int) -> str:
    """A patient's file name without suffix, as in ``brain_001``."""
    return f'brain_{number:03d}'


def _save(array: np.ndarray, affine: np.ndarray, path: Path) -> None:
    """Write a NIfTI file aside and rename it."""
    image = nibabel.Nifti1Image(array, affine)
    image.header.set_xyzt_units('mm')
    with replacing(path, suffix='.nii.gz') as part:
        nibabel.save(image, part)


def _files(out: Path, number: int) -> dict[str, Path]:
    """A patient's files; the last one is written last."""
    name = f'{stem_of(number)}.nii.gz'
    return {'image': out / 'images' / name, **{task: out / f'labels_{task}' / name
                                               for task in TASKS}}


def _make(out: Path, seed: int, size: int, number: int) -> int:
    patient, files = make_patient(seed, number, size), _files(out, number)
    _save(patient.image, patient.affine, files['image'])
    _save(patient.lesion, patient.affine, files['lesion'])
    _save(patient.tissue, patient.affine, files['tissue'])
    return number


def subsets(patients: int) -> dict[str, list[int]]:
    """Numbers of the patients of each subset: 70 % training, 10 % validation, 20 % test."""
    test = max(1, round(0.2 * patients))
    validation = max(1, round(0.1 * patients))
    numbers = list(range(1, patients + 1))
    first, second = patients - test - validation, patients - test
    return {'training': numbers[:first], 'validation': numbers[first:second],
            'test': numbers[second:]}


def _write_lists(out: Path, patients: int) -> None:
    """One Decathlon list per task: ``dataset_lesion.json``, ``dataset_tissue.json``."""
    for task, labels in TASKS.items():
        content = {
            'name': f'SynBrain, {task}', 'tensorImageSize': '4D',
            'modality': {str(i): name for i, name in enumerate(MODALITIES)},
            'labels': {str(i): name for i, name in enumerate(labels)},
            **{subset: [{'image': f'images/{stem_of(n)}.nii.gz',
                         'label': f'labels_{task}/{stem_of(n)}.nii.gz',
                         'patient': stem_of(n)} for n in numbers]
               for subset, numbers in subsets(patients).items()}}
        write_json(out / f'dataset_{task}.json', content, indent=1)


def _count(results: Iterable[int], done: int, total: int,
           progress: Callable[[int, int], None] | None) -> None:
    for finished, _ in enumerate(results, start=done + 1):
        if progress:
            progress(finished, total)


def generate(out: str | Path, patients: int = 60, seed: int = 0, size: int = 128,
             workers: int = 1, progress: Callable[[int, int], None] | None = None,
             overwrite: bool = False) -> Summary:
    """Make a data set. Patients that are there already are kept.

    Args:
        out: Folder for ``images/``, ``labels_lesion/``, ``labels_tissue/`` and the two lists.
        patients: Patients, at least 4.
        seed: Seed of the set, >= 0.
        size: Voxels per side, at least 32; the field of view stays at 192 mm.
        workers: Processes; the result does not depend on it.
        progress: Called with (patients done, patients in all).
        overwrite: Make everything anew, even in a folder that this function did not make.

    Raises:
        FileExistsError: See :func:`medseg.data.generated_folder.claim`.
        ValueError: A number is out of range.
    """
    if patients < 4 or seed < 0 or size < 32 or workers < 1:
        raise ValueError('patients start at 4, the seed at 0, the size at 32, workers at 1; got '
                         f'{patients}, {seed}, {size}, {workers}')
    out = Path(out)
    settings = {'generator': 'SynBrain', 'recipe': RECIPE, 'seed': seed, 'size': size}
    fresh = claim(out, MARKER, settings, overwrite)
    missing = [n for n in range(1, patients + 1)
               if fresh or not all(path.exists() for path in _files(out, n).values())]
    done, make = patients - len(missing), partial(_make, out, seed, size)
    if progress:
        progress(done, patients)
    if workers == 1:
        _count(map(make, missing), done, patients, progress)
    else:
        with multiprocessing.get_context('spawn').Pool(workers) as pool:
            _count(pool.imap_unordered(make, missing), done, patients, progress)
    _write_lists(out, patients)
    return Summary(patients, len(missing),
                   {name: len(numbers) for name, numbers in subsets(patients).items()})
