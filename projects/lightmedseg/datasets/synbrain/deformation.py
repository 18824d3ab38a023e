"""Another head from the template: an affine and a smooth displacement, sampled on one grid."""
from __future__ import annotations

from functools import cache

import numpy as np
from scipy.ndimage import map_coordinates, zoom
from scipy.spatial.transform import Rotation

#: Largest rotation in degrees, scale, shift in mm, displacement's standard deviation in mm.
ROTATION, SCALE, SHIFT, BEND = 10.0, 0.08, 5.0, 3.0
#: Points per axis of the coarse grid that the displacement is drawn on.
KNOTS = 6


@cache
def _cubic(size: int, knots: int) -> np.ndarray:
    """Matrix (size, knots) of cubic spline interpolation from ``knots`` points."""
    return np.stack([zoom(row, size / knots, order=3, grid_mode=True, mode='nearest')
                     for row in np.eye(knots)], axis=1).astype(np.float32)


def smooth_field(rng: np.random.Generator, shape: tuple[int, int, int], knots: int = KNOTS
                 ) -> np.ndarray:
    """A smooth random field of about unit variance, float32, of ``shape``.

    Splines are separable: three small matrix products instead of one interpolation per voxel.
    """
    field = rng.standard_normal((knots,) * 3, dtype=np.float32)
    for size in shape:  # each product moves the next axis to the front
        field = np.tensordot(field, _cubic(size, knots), axes=(0, 1))
    return field


def sampling_points(rng: np.random.Generator, size: int, spacing: float) -> np.ndarray:
    """Where in the template (mm) each voxel of a new head comes from.

    Args:
        rng: The patient's stream.
        size: Voxels per side.
        spacing: Millimetres per voxel.

    Returns:
        np.ndarray: float32 (3, size, size, size), millimetres.
    """
    centre = np.array([0.0, -18.0, 10.0])  # the middle of the template's brain
    line = (np.arange(size, dtype=np.float32) - (size - 1) / 2) * spacing
    grid = np.stack(np.meshgrid(line, line, line, indexing='ij'))
    angles = rng.uniform(-ROTATION, ROTATION, 3)
    matrix = Rotation.from_euler('xyz', angles, degrees=True).as_matrix()
    matrix = matrix * (1 + rng.uniform(-SCALE, SCALE, 3))
    shift = centre + rng.uniform(-SHIFT, SHIFT, 3)
    points = np.einsum('ij,jxyz->ixyz', matrix.astype(np.float32), grid)
    points += shift.astype(np.float32)[:, None, None, None]
    for axis in range(3):
        points[axis] += BEND * smooth_field(rng, (size,) * 3)
    return points


def warp(maps: np.ndarray, affine: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Sample maps (C, X, Y, Z) of an affine at points (3, D, H, W) in mm, linearly; 0 outside."""
    inverse = np.linalg.inv(affine).astype(np.float32)
    voxels = np.einsum('ij,jxyz->ixyz', inverse[:3, :3], points)
    voxels += inverse[:3, 3][:, None, None, None]
    return np.stack([map_coordinates(one, voxels, order=1, mode='constant', cval=0.0)
                     for one in maps])
