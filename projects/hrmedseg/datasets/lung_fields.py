"""Lung fields on slices of chest CT: the label is a threshold, made from the scan itself.

Air inside the body: voxels below -400 HU in 3-D connected components that do not touch the border
of a slice and hold more than 50,000 voxels. It serves to see that a model trains and predicts at
high resolution on real images, not to compare models: the label follows from the grey value.
"""
from __future__ import annotations

import numpy as np
from mmdet.registry import DATASETS
from scipy import ndimage

from medseg.data.named_coco import NamedCocoDataset
from medseg.errors import UserError
from medseg.runtime.palette import class_colors

AIR = -400
WINDOW = (-1000, 400)
SMALLEST = 50_000
#: Part of a slice that lung must fill for the slice to be used.
LEAST = 0.01


@DATASETS.register_module()
class LungFieldsDataset(NamedCocoDataset):
    """Slices of chest CT with lung fields, one class."""

    METAINFO = {
        **NamedCocoDataset.METAINFO,
        'classes': ('lung',),
        'palette': class_colors(['lung']),
    }


def lung_mask(scan: np.ndarray, smallest: int = SMALLEST) -> np.ndarray:
    """Where the lungs are.

    Args:
        scan (np.ndarray): HU, (slices, H, W).
        smallest (int): Components of at most so many voxels are left out.

    Returns:
        np.ndarray: bool, as ``scan``.
    """
    components, count = ndimage.label(scan < AIR)
    rim = np.unique(np.concatenate([components[:, [0, -1], :].ravel(),
                                    components[:, :, [0, -1]].ravel()]))
    sizes = np.bincount(components.ravel(), minlength=count + 1)
    keep = sizes > smallest
    keep[0] = False
    keep[rim] = False
    return keep[components]


def grey_slices(scan: np.ndarray) -> np.ndarray:
    """The lung window as grey values: HU (slices, H, W) -> uint8."""
    low, high = WINDOW
    return np.round((np.clip(scan, low, high) - low) / (high - low) * 255).astype(np.uint8)


def slices_with_lung(scan: np.ndarray, name: str, smallest: int = SMALLEST
                     ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The slices that are used.

    Args:
        scan (np.ndarray): HU, (slices, H, W).
        name (str): The file, for messages.
        smallest (int): See :func:`lung_mask`.

    Returns:
        tuple: Their numbers (n,), pictures (n, H, W) uint8 and masks (n, H, W) bool.

    Raises:
        UserError: There is no lung in the scan.
    """
    mask = lung_mask(scan, smallest)
    numbers = np.flatnonzero(mask.mean((1, 2)) > LEAST)
    if not len(numbers):
        raise UserError(f'{name}: no lung found in {len(scan)} slices; is it a chest CT in HU?')
    return numbers, grey_slices(scan[numbers]), mask[numbers]
