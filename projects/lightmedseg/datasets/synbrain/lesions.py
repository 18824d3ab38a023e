"""Lesions of three nested regions, as in BraTS: oedema around a core with an enhancing rim."""
from __future__ import annotations

import numpy as np

from .deformation import smooth_field

#: Labels of the lesion task, by value.
LESION_LABELS = ('background', 'edema', 'non-enhancing core', 'enhancing core')
#: Nested regions of BraTS, by the labels that they hold.
REGIONS = {'whole tumour': (1, 2, 3), 'tumour core': (2, 3), 'enhancing tumour': (3,)}


def draw_lesions(rng: np.random.Generator, brain: np.ndarray, white: np.ndarray,
                 spacing: float) -> np.ndarray:
    """Label map of one to three lesions.

    Each is a blob whose radius varies smoothly with direction, centred in white matter. Its
    outer shell is oedema, the inside the core; the core's rim enhances, in some patients not at
    all or all of it.

    Args:
        rng: The patient's stream.
        brain: bool (D, H, W).
        white: Share of white matter (D, H, W).
        spacing: Millimetres per voxel.

    Returns:
        np.ndarray: uint8 (D, H, W), values of :data:`LESION_LABELS`.
    """
    labels = np.zeros(brain.shape, np.uint8)
    candidates = np.argwhere(white > 0.8)
    if not len(candidates):
        return labels
    grid = np.stack(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in brain.shape),
                                indexing='ij'))
    for _ in range(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1])):
        centre = candidates[rng.integers(len(candidates))].astype(np.float32)
        radius = rng.uniform(10, 26) / spacing
        stretch = rng.uniform(0.75, 1.3, 3).astype(np.float32)
        distance = np.sqrt(sum(((grid[i] - centre[i]) / stretch[i]) ** 2 for i in range(3)))
        # 1 at the outer border, smaller inside; uneven like a real border.
        level = distance / radius * (1 + 0.22 * smooth_field(rng, brain.shape, 10))
        core = rng.uniform(0.5, 0.75)
        rim = rng.choice([0.0, rng.uniform(0.2, 0.5), 1.0], p=[0.1, 0.75, 0.15])
        labels[(level < 1) & brain & (labels < 1)] = 1
        labels[(level < core) & brain & (labels < 2)] = 2
        labels[(level < core) & (level >= core * (1 - rim)) & brain] = 3
    return labels


