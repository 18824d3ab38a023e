"""One patient of SynBrain: four modalities, tissue labels, lesion labels, an affine."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .contrast import MODALITIES, draw_contrast
from .deformation import sampling_points, warp
from .lesions import draw_lesions
from .seeding import stream
from .template import load_template

#: Labels of the tissue task, by value.
TISSUE_LABELS = ('background', 'CSF', 'grey matter', 'white matter')
#: Millimetres that the volume spans per side; the spacing follows from its voxels.
FIELD_OF_VIEW = 192.0


@dataclass(frozen=True)
class Patient:
    """Arrays of one patient, axes (x, y, z) as in NIfTI.

    Attributes:
        image: int16 (X, Y, Z, 4), the modalities last as in the Decathlon.
        tissue: uint8 (X, Y, Z), values of :data:`TISSUE_LABELS`; lesions keep the tissue below.
        lesion: uint8 (X, Y, Z), values of :data:`~.lesions.LESION_LABELS`.
        affine: float64 (4, 4), voxels to millimetres. Half of the patients are stored with a
            flipped x axis, some with other axes first, as archives do.
    """

    image: np.ndarray
    tissue: np.ndarray
    lesion: np.ndarray
    affine: np.ndarray


def make_patient(seed: int, number: int, size: int = 128) -> Patient:
    """Make a patient; the same arguments always give the same one.

    Args:
        seed: Seed of the set, >= 0.
        number: The patient's number, from 1.
        size: Voxels per side.
    """
    maps, template_affine = load_template()
    spacing = FIELD_OF_VIEW / size
    head = warp(maps, template_affine, sampling_points(stream(seed, number, 'shape'), size,
                                                       spacing))
    shares = head[1:]
    brain = shares.sum(0) > 0.5
    tissue = np.where(brain, shares.argmax(0) + 1, 0).astype(np.uint8)
    lesion = draw_lesions(stream(seed, number, 'lesion'), brain, shares[2], spacing)
    image = np.stack([draw_contrast(stream(seed, number, name), name, head, lesion)
                      for name in MODALITIES], axis=-1)
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = -spacing * (size - 1) / 2
    return _store(Patient(np.rint(image).astype(np.int16), tissue, lesion, affine),
                  stream(seed, number, 'orientation'))


def _store(patient: Patient, rng: np.random.Generator) -> Patient:
    """The same volume with other voxel axes, and the affine that says so."""
    order = (0, 1, 2) if rng.random() < 0.75 else tuple(int(i) for i in rng.permutation(3))
    flips = [bool(rng.random() < 0.5), bool(rng.random() < 0.25), False]
    size = patient.tissue.shape[0]
    change = np.zeros((4, 4))
    change[3, 3] = 1
    for new, old in enumerate(order):
        change[old, new] = -1 if flips[old] else 1
        change[old, 3] = size - 1 if flips[old] else 0

    def move(array: np.ndarray) -> np.ndarray:
        for axis, flip in enumerate(flips):
            array = np.flip(array, axis) if flip else array
        return np.ascontiguousarray(array.transpose(*order, *range(3, array.ndim)))

    return Patient(move(patient.image), move(patient.tissue), move(patient.lesion),
                   patient.affine @ change)
