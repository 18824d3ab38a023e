"""Make a SynPELD data set: images and LabelMe files, resumable, the same with any worker count."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from medseg.data.generated_folder import claim
from medseg.io import read_json

from .families import FAMILIES, family_of
from .labelme_writer import write_pair
from .plan import CLASSES
from .render import jpeg_quality, render_frame

MARKER = 'synpeld.info'
"""Written into the data set's folder; says with which settings it was made."""

RECIPE = 2
"""Raised whenever the same settings give other pictures."""


@dataclass(frozen=True)
class Summary:
    """What a data set holds.

    Attributes:
        images: Images in the set.
        made: Images made now; the others were there already.
        instances: Instances per class.
    """

    images: int
    made: int
    instances: dict[str, int]


def stem_of(patient: int, frame: int) -> str:
    """File name of a frame without suffix, as in ``p001_f01``."""
    return f'p{patient:03d}_f{frame:02d}'


def count_instances(record: dict) -> dict[str, int]:
    """Instances per class of a LabelMe record: a ``group_id`` counts once."""
    counts = dict.fromkeys(CLASSES, 0)
    groups = set()
    for shape in record['shapes']:
        group = (shape['label'], shape['group_id'])
        if shape['group_id'] is not None and group in groups:
            continue
        groups.add(group)
        counts[shape['label']] += 1
    return counts


def _settings(seed: int, frames: int, size: tuple[int, int], families: Sequence[str]) -> dict:
    found = {'generator': 'SynPELD', 'recipe': RECIPE, 'seed': seed, 'frames': frames,
             'width': size[0], 'height': size[1]}
    return {**found, 'families': list(families)} if families else found


def _finished(out: Path, stem: str) -> bool:
    """Whether a pair is there; the JSON is written last."""
    return (out / f'{stem}.json').exists() and (out / f'{stem}.jpg').exists()


def _make_patient(out: Path, seed: int, frames: int, size: tuple[int, int],
                  families: Sequence[str], job: tuple[int, tuple[int, ...]]) -> int:
    """Make the missing frames of a patient; return how many."""
    patient, missing = job
    family = family_of(patient, families)
    for frame in missing:
        image, instances = render_frame(seed, patient, frame, size, frames, family)
        write_pair(out, stem_of(patient, frame), image, instances,
                   jpeg_quality(seed, patient, family))
    return len(missing)


def generate(out: str | Path, patients: int = 61, frames: int = 10, seed: int = 0,
             size: tuple[int, int] = (1080, 720), workers: int = 1,
             progress: Callable[[int, int], None] | None = None,
             overwrite: bool = False, families: Sequence[str] = ()) -> Summary:
    """Make a data set of ``patients`` times ``frames`` images.

    Pairs that are there already are kept, so an interrupted run is taken up where it stopped, and
    a set can be extended by more patients.

    Args:
        out: Folder for ``p001_f01.jpg``, ``p001_f01.json`` and so on; made if missing.
        patients: Patients, >= 1.
        frames: Frames of each patient, >= 1.
        seed: Seed of the whole set, >= 0.
        size: (width, height) in pixels, both at least 96.
        workers: Processes; the result does not depend on it.
        progress: Called with (images done, images in all) now and then.
        overwrite: Make everything anew, even in a folder that this function did not make. Files
            of other names are left alone.
        families: Of :data:`.families.FAMILIES`: the patients take them in turn; none for the
            plain optics and anatomy.

    Returns:
        What the set holds, counted from its files.

    Raises:
        FileExistsError: If ``out`` is a file, holds files not made here, or was made with other
            settings, and ``overwrite`` is false.
        ValueError: If a number is out of range.
    """
    if min(patients, frames, workers) < 1 or seed < 0 or min(size) < 96:
        raise ValueError('patients, frames and workers start at 1, the seed at 0, the size at '
                         f'96x96; got {patients}, {frames}, {workers}, {seed}, {size}')
    unknown = [name for name in families if name not in FAMILIES]
    if unknown:
        raise ValueError(f'{unknown[0]}: no such family; there are: {", ".join(FAMILIES)}')
    out, total = Path(out), patients * frames
    if claim(out, MARKER, _settings(seed, frames, size, families), overwrite):
        # A record left by other settings must not pass for a finished one if we stop early.
        missing = {p: tuple(range(1, frames + 1)) for p in range(1, patients + 1)}
        for patient in missing:
            for frame in missing[patient]:
                (out / f'{stem_of(patient, frame)}.json').unlink(missing_ok=True)
    else:
        missing = {p: tuple(f for f in range(1, frames + 1) if not _finished(out, stem_of(p, f)))
                   for p in range(1, patients + 1)}
    made = sum(map(len, missing.values()))
    done = total - made
    if progress:
        progress(done, total)
    make = partial(_make_patient, out, seed, frames, size, tuple(families))
    # One frame a job on one process shows progress often; a patient a job keeps its textures.
    if workers == 1:
        for patient, todo in missing.items():
            for frame in todo:
                done += make((patient, (frame,)))
                if progress:
                    progress(done, total)
    else:
        jobs = [(patient, todo) for patient, todo in missing.items() if todo]
        with multiprocessing.get_context('spawn').Pool(workers) as pool:
            for count in pool.imap_unordered(make, jobs):
                done += count
                if progress:
                    progress(done, total)
    counts = dict.fromkeys(CLASSES, 0)
    for patient in range(1, patients + 1):
        for frame in range(1, frames + 1):
            path = out / f'{stem_of(patient, frame)}.json'
            found = count_instances(read_json(path))
            for label, count in found.items():
                counts[label] += count
    return Summary(total, made, counts)
