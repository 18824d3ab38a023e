"""Surgical instruments that enter through the working channel.

Lengths are in radii of the field of view, the origin at its centre.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PRESENCE = 0.38
"""Fraction of the frames in which an instrument is tried."""


@dataclass(frozen=True)
class Instrument:
    """An instrument as flat parts with a common axis.

    Attributes:
        outlines: float (N, 2) outlines of its parts.
        tip: (x, y) of the tip.
        axis: Unit vector from the tip towards the working channel.
        half_width: Half the width of the shaft.
        tone: Reflectance of the metal, 0 to 1.
        dark_tip: Length of the dark part at the tip (an electrode's insulation), 0 for none.
    """

    outlines: tuple[np.ndarray, ...]
    tip: tuple[float, float]
    axis: tuple[float, float]
    half_width: float
    tone: float
    dark_tip: float


def _rounded(along: np.ndarray, across: np.ndarray, tip: np.ndarray,
             axis: np.ndarray) -> np.ndarray:
    """Points of (along, across) the axis from the tip, float (N, 2)."""
    normal = np.array([-axis[1], axis[0]])
    return tip + along[:, None] * axis + across[:, None] * normal


def draw_instrument(rng: np.random.Generator, channel: float) -> tuple[Instrument, ...]:
    """Draw the instrument of a frame, or none.

    Args:
        rng: Source of randomness.
        channel: Direction of the working channel, radians.

    Returns:
        No or one instrument.
    """
    if rng.random() >= PRESENCE:
        return ()
    angle = channel + rng.normal(0, 0.3)
    axis = np.array([np.cos(angle), np.sin(angle)])
    tip = axis * rng.uniform(-0.25, 0.55) + np.array([-axis[1], axis[0]]) * rng.normal(0, 0.25)
    kind = rng.choice(['probe', 'forceps', 'burr', 'hook'])
    half = rng.uniform(0.07, 0.13)
    arc = np.linspace(np.pi / 2, 3 * np.pi / 2, 17)
    far = 2.6
    if kind == 'probe':
        along = np.concatenate([half + half * np.cos(arc), [far, far]])
        across = np.concatenate([half * np.sin(arc), [-half, half]])
        parts = [_rounded(along, across, tip, axis)]
    elif kind == 'hook':
        thin = half * 0.45
        bend = rng.choice([-1, 1]) * rng.uniform(1.5, 3.0)
        along = np.array([0.0, 0.12, 0.25, 0.4, far, far, 0.42, 0.28, 0.16, 0.05])
        across = np.array([bend, bend * 0.5, 0.6, 1, 1, -1, -1, -1.2, -1.2 + bend * 0.3,
                           bend * 0.9 - 0.8])
        parts = [_rounded(along, across * thin, tip, axis)]
    elif kind == 'burr':
        ball = half * rng.uniform(1.1, 1.5)
        theta = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        wobble = 1 + 0.05 * np.cos(9 * theta)
        along, across = ball + ball * wobble * np.cos(theta), ball * wobble * np.sin(theta)
        neck = half * 0.6
        shaft = _rounded(np.array([ball, far, far, ball]), np.array([neck, neck, -neck, -neck]),
                         tip, axis)
        parts = [shaft, _rounded(along, across, tip, axis)]
    else:
        gape = rng.uniform(0.3, 1.2)
        jaw = rng.uniform(0.22, 0.4)
        along = np.array([0.0, -0.02, jaw * 0.5, jaw, jaw])
        upper = np.array([0.2 + gape, 0.75 + gape, 1.05 + gape * 0.5, 1.0, 0.0]) * half
        shaft = _rounded(np.array([jaw, far, far, jaw]), np.array([half, half, -half, -half]),
                         tip, axis)
        parts = [shaft, _rounded(along, upper, tip, axis), _rounded(along, -upper, tip, axis)]
    tone, dark = rng.uniform(0.45, 0.8), rng.uniform(0.1, 0.25)
    is_electrode = kind == 'probe' and rng.random() < 0.6
    return (Instrument(tuple(parts), tuple(tip), tuple(axis), float(half), float(tone),
                       float(dark) if is_electrode else 0.0),)
