"""Which instances each frame shows, so that the totals are those of the paper's Table I.

A patient's quota depends on its own number only: it is the step of a running total, so any number
of patients comes out proportional to Table I, and a set can be extended without changing the
frames it already has.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .seeding import stream

CLASSES = ('adipose tissue', 'bone', 'ligamentum flavum', 'nerve')
"""Class names in the order of the data set."""

TABLE_I = {'adipose tissue': 435, 'bone': 277, 'ligamentum flavum': 510, 'nerve': 455}
"""Instances in the paper's 610 images (Table I)."""

TABLE_I_IMAGES = 610

MAX_PER_FRAME = 2
"""At most this many instances of one class in a frame."""

# Where in the procedure (0 = working channel established, 1 = nerve decompressed; Figure 4) a
# class is best seen, and how steeply that falls off.
_PEAK = {'adipose tissue': 0.45, 'bone': 0.85, 'ligamentum flavum': 0.1, 'nerve': 0.75}
_WIDTH = {'adipose tissue': 0.45, 'bone': 0.5, 'ligamentum flavum': 0.6, 'nerve': 0.55}
_DOUBLE_RATE = {'adipose tissue': 0.10, 'bone': 0.08, 'ligamentum flavum': 0.06, 'nerve': 0.05}


@dataclass(frozen=True)
class FramePlan:
    """What one frame has to show.

    Attributes:
        patient: Patient number, from 1.
        frame: Frame number, from 1.
        progress: Progress of the procedure, 0 to 1.
        counts: Instances per class, 0 to ``MAX_PER_FRAME``.
    """

    patient: int
    frame: int
    progress: float
    counts: dict[str, int]


def _quota(seed: int, patient: int, frames: int, label: str) -> int:
    """Instances of a class over all frames of a patient."""
    rate = TABLE_I[label] / TABLE_I_IMAGES * frames
    phase = stream(seed, 0, 0, f'quota {label}').uniform(0.25, 0.75)
    base = math.floor(patient * rate + phase) - math.floor((patient - 1) * rate + phase)
    # Neighbours trade instances, so that patients differ and the total stays.
    pair, odd = divmod(patient, 2)
    if patient == 1:
        return base
    limit = 0.25 * min(rate, frames - rate)
    trade = round(float(stream(seed, pair, 0, f'trade {label}').uniform(-limit, limit)))
    return int(np.clip(base + (trade if odd else -trade), 0, frames))


def plan_patient(seed: int, patient: int, frames: int = 10) -> list[FramePlan]:
    """Plan all frames of a patient.

    Args:
        seed: Seed of the data set.
        patient: Patient number, from 1.
        frames: Frames of each patient, >= 1.

    Returns:
        One plan a frame, in order.

    Raises:
        ValueError: If ``patient`` or ``frames`` is below 1.
    """
    if patient < 1 or frames < 1:
        raise ValueError(f'patient and frames count from 1, got {patient} and {frames}')
    rng = stream(seed, patient, 0, 'plan')
    progress = np.clip((np.arange(frames) + rng.uniform(0.1, 0.9, frames)) / frames, 0.0, 1.0)
    counts = np.zeros((frames, len(CLASSES)), dtype=int)
    for column, label in enumerate(CLASSES):
        peak = _PEAK[label] + rng.normal(0.0, 0.12)
        score = -(((progress - peak) / _WIDTH[label]) ** 2) + rng.normal(0.0, 0.25, frames)
        order = np.argsort(-score, kind='stable')
        quota = _quota(seed, patient, frames, label)
        doubles = min(int(rng.binomial(quota, _DOUBLE_RATE[label])), quota // MAX_PER_FRAME)
        counts[order[: quota - doubles], column] = 1
        counts[order[:doubles], column] = MAX_PER_FRAME
    return [
        FramePlan(patient, i + 1, float(progress[i]),
                  {label: int(n) for label, n in zip(CLASSES, counts[i], strict=True)})
        for i in range(frames)
    ]


def plan_totals(seed: int, patients: int, frames: int = 10) -> dict[str, int]:
    """Return the instances per class planned for a whole set."""
    totals = dict.fromkeys(CLASSES, 0)
    for patient in range(1, patients + 1):
        for plan in plan_patient(seed, patient, frames):
            for label, count in plan.counts.items():
                totals[label] += count
    return totals
