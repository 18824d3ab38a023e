"""Dice, HD95 and NSD of regions of one volume, by MONAI, with the rules for empty regions."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from monai.metrics import compute_dice, compute_hausdorff_distance, compute_surface_dice

#: Figures of :func:`score_case`; whether more is better.
FIGURES = {'dice': True, 'hd95': False, 'nsd': True}


def region_masks(labels: np.ndarray, regions: Mapping[str, Sequence[int]]) -> torch.Tensor:
    """Masks (1, R, D, H, W), float32, of regions made of label values."""
    return torch.from_numpy(np.stack(
        [np.isin(labels, list(values)) for values in regions.values()]))[None].float()


def score_case(predicted: np.ndarray, true: np.ndarray, regions: Mapping[str, Sequence[int]],
               spacing: Sequence[float], tolerance_mm: float = 2.0) -> dict[str, np.ndarray]:
    """Figures of each region.

    A region that is empty in both says nothing: NaN, left out of means. Where only one of the
    two is empty, Dice and NSD are 0 and HD95 is the volume's diagonal: the worst, so that a
    model does not gain by predicting nothing.

    Args:
        predicted, true: Label maps (D, H, W).
        regions: Label values by name of the region; regions may overlap.
        spacing: Millimetres per voxel along each axis.
        tolerance_mm: Of NSD.

    Returns:
        dict[str, np.ndarray]: (R,) for each of :data:`FIGURES`; HD95 in mm.

    Raises:
        ValueError: The maps differ in size.
    """
    if predicted.shape != true.shape:
        raise ValueError(f'label maps of shapes {predicted.shape} and {true.shape} differ')
    found, wanted = region_masks(predicted, regions), region_masks(true, regions)
    has = [mask.flatten(2).any(-1)[0].numpy() for mask in (found, wanted)]
    both, neither = has[0] & has[1], ~has[0] & ~has[1]
    spacing = [float(s) for s in spacing]
    diagonal = float(np.linalg.norm(np.multiply(true.shape, spacing)))
    worst = {'dice': 0.0, 'hd95': diagonal, 'nsd': 0.0}
    scores = {name: np.full(len(regions), value) for name, value in worst.items()}
    if both.any():
        a, b = found[:, both], wanted[:, both]
        scores['dice'][both] = compute_dice(a, b)[0].numpy()
        scores['hd95'][both] = compute_hausdorff_distance(
            a, b, include_background=True, percentile=95, spacing=spacing)[0].numpy()
        scores['nsd'][both] = compute_surface_dice(
            a, b, [tolerance_mm] * int(both.sum()), include_background=True,
            spacing=spacing)[0].numpy()
    for values in scores.values():
        values[neither] = np.nan
    return scores
