"""Volumes on disk: NIfTI and NRRD to arrays with an affine, and back, whole or not at all."""
from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

import nibabel
import nrrd
import numpy as np

from medseg.errors import UserError
from medseg.io import replacing

SUFFIXES = ('.nii.gz', '.nii', '.nrrd')
#: Voxels of one file, channels included: more does not fit into memory several times.
MAX_VOXELS = 2 ** 30


@dataclass(frozen=True)
class Volume:
    """An array with its place in space.

    Attributes:
        array: (X, Y, Z) or, with channels, (X, Y, Z, C).
        affine: float64 (4, 4), voxels to millimetres in RAS+ coordinates, as NIfTI has them.
    """

    array: np.ndarray
    affine: np.ndarray

    @property
    def spacing(self) -> np.ndarray:
        """Millimetres per voxel along each axis, (3,)."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)


def is_volume(path: Path) -> bool:
    """Whether the name is one of a NIfTI or NRRD file."""
    return path.name.lower().endswith(SUFFIXES)


def read_volume(path: str | Path) -> Volume:
    """Read a NIfTI or NRRD file.

    Returns:
        Volume: Values as stored after the file's own scaling; trailing axes of length 1 dropped.

    Raises:
        UserError: The file is missing, truncated, no volume, too large, or has no usable affine.
    """
    path = Path(path)
    if not is_volume(path):
        raise UserError(f'{path}: is none of {", ".join(SUFFIXES)}')
    if not path.is_file():
        raise UserError(f'{path}: no such file')
    read = _read_nrrd if path.name.lower().endswith('.nrrd') else _read_nifti
    try:
        array, affine = read(path)
    except (OSError, EOFError, ValueError, TypeError, KeyError, OverflowError, MemoryError,
            zlib.error, gzip.BadGzipFile, nibabel.filebasedimages.ImageFileError,
            nibabel.spatialimages.HeaderDataError, nrrd.NRRDError) as error:
        reason = str(error).split('\n')[0] or type(error).__name__
        raise UserError(f'{path}: cannot be read as a volume ({reason}); it may be cut off: '
                        'compare its size with the original, or export it again') from error
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim not in (3, 4) or 0 in array.shape:
        raise UserError(f'{path}: holds an array of shape {array.shape}; expected three axes, '
                        'with channels four')
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
        raise UserError(f'{path}: its affine has no volume per voxel; set it again, for example '
                        'from the scanner files')
    return Volume(array, affine)


def _check_size(shape) -> None:
    if int(np.prod([int(n) for n in shape], dtype=object)) > MAX_VOXELS:
        raise ValueError(f'{"x".join(map(str, shape))} voxels are more than {MAX_VOXELS}')


def _read_nifti(path: Path) -> tuple[np.ndarray, np.ndarray]:
    image = nibabel.load(path)
    _check_size(image.shape)
    array = np.asanyarray(image.dataobj)
    if array.dtype.kind not in 'iufb':
        raise ValueError(f'values of type {array.dtype} are no grey values')
    return array, np.asarray(image.affine, dtype=float)


def _read_nrrd(path: Path) -> tuple[np.ndarray, np.ndarray]:
    _check_size(nrrd.read_header(str(path))['sizes'])
    array, header = nrrd.read(str(path))
    directions = np.asarray(header.get('space directions', np.diag(header.get(
        'spacings', np.ones(array.ndim)))), dtype=float)
    spatial = np.isfinite(directions).all(axis=1)
    if spatial.sum() != 3:
        raise ValueError(f'{int(spatial.sum())} spatial axes instead of 3')
    array = np.moveaxis(array, [*np.flatnonzero(spatial), *np.flatnonzero(~spatial)],
                        range(array.ndim))
    affine = np.eye(4)
    affine[:3, :3] = directions[spatial].T
    affine[:3, 3] = np.asarray(header.get('space origin', np.zeros(3)), dtype=float)
    # NIfTI counts to the right, to the front, upwards; NRRD says which way it counts.
    space = str(header.get('space', 'left-posterior-superior')).lower()
    for axis, (word, letter) in enumerate((('left', 'l'), ('posterior', 'p'), ('inferior', 'i'))):
        short = len(space) == 3 and space[axis] == letter
        if short or word in space.split('-'):
            affine[axis] *= -1
    return array, affine


def write_labels(path: str | Path, labels: np.ndarray, affine: np.ndarray) -> None:
    """Write a label map (X, Y, Z) as uint8 NIfTI; the file is whole or absent.

    Raises:
        ValueError: The name is no NIfTI name.
    """
    path = Path(path)
    suffix = next((s for s in ('.nii.gz', '.nii') if path.name.lower().endswith(s)), None)
    if suffix is None:
        raise ValueError(f'{path}: label maps are written as .nii.gz or .nii')
    image = nibabel.Nifti1Image(labels.astype(np.uint8), affine)
    image.header.set_xyzt_units('mm')
    with replacing(path, suffix) as part:
        nibabel.save(image, part)
