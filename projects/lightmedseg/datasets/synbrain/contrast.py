"""Four MR contrasts of a head: tissue means, lesions, bias field, resolution, motion, noise."""
from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from .deformation import smooth_field

MODALITIES = ('T1', 'T1c', 'T2', 'FLAIR')
#: Mean signal of CSF, grey and white matter, then of oedema, core and enhancing core.
SIGNAL = {
    'T1': (0.20, 0.55, 0.80, 0.48, 0.38, 0.45),
    'T1c': (0.22, 0.58, 0.80, 0.48, 0.36, 1.05),
    'T2': (1.00, 0.60, 0.42, 0.85, 0.90, 0.75),
    'FLAIR': (0.15, 0.62, 0.50, 0.95, 0.70, 0.85),
}


def draw_contrast(rng: np.random.Generator, name: str, head: np.ndarray, lesion: np.ndarray
                  ) -> np.ndarray:
    """One modality.

    Args:
        rng: The patient's stream of this modality.
        name: One of :data:`MODALITIES`.
        head: (4, D, H, W): T1, and the shares of CSF, grey and white matter.
        lesion: Label map (D, H, W).

    Returns:
        np.ndarray: float32 (D, H, W), 0 outside the brain, else at least 1, about 100 to 1500 as
        scanners store it; its scale differs from patient to patient.
    """
    means = np.array(SIGNAL[name]) * rng.uniform(0.85, 1.15, 6)
    tissue = head[1:]
    inside = tissue.sum(0) > 0.5
    signal = np.tensordot(means[:3].astype(np.float32), tissue, axes=1)
    # The template's own fine structure, which the three means cannot have.
    detail = head[0] - gaussian_filter(head[0], 2.0)
    signal += np.float32(rng.uniform(0.2, 0.5) * (-1 if name == 'T2' else 1)) * detail
    texture = 1 + 0.12 * smooth_field(rng, lesion.shape, 24)
    for label, mean in enumerate(means[3:], start=1):
        # Partial volume at the lesion's border, texture inside it.
        share = gaussian_filter((lesion == label).astype(np.float32), 0.8)
        signal = signal * (1 - share) + share * np.float32(mean) * texture
    signal *= np.exp(0.18 * smooth_field(rng, lesion.shape, 3))  # coil sensitivity
    axis = rng.integers(3)
    # Slices are thicker than voxels along one axis.
    signal = gaussian_filter1d(signal, rng.uniform(0.2, 0.9), axis=axis)
    if rng.random() < 0.25:  # the head moved: a faint, shifted second image
        ghost = np.roll(signal, int(rng.integers(3, 12)), axis=(axis + 1) % 3)
        signal = signal + np.float32(rng.uniform(0.03, 0.10)) * ghost
    sigma = rng.uniform(0.02, 0.06)
    noise = rng.standard_normal((2, *signal.shape), dtype=np.float32) * np.float32(sigma)
    signal = np.hypot(signal + noise[0], noise[1])  # Rician, as of a magnitude image
    return np.where(inside, np.maximum(signal * rng.uniform(300, 900), 1), 0).astype(np.float32)
