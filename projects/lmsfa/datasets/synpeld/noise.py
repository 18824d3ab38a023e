"""Procedural noise on small float32 arrays, the raw material of every texture."""

from __future__ import annotations

import cv2
import numpy as np


def value_noise(rng: np.random.Generator, shape: tuple[int, int], cells) -> np.ndarray:
    """Smooth noise of about zero mean and unit deviation.

    Args:
        rng: Source of randomness.
        shape: (height, width) of the result.
        cells: Features along the height and width; a number, or a (rows, columns) pair.

    Returns:
        float32 array of ``shape``.
    """
    rows, cols = (cells, cells) if np.isscalar(cells) else cells
    grid = rng.standard_normal((max(2, round(rows)) + 1, max(2, round(cols)) + 1))
    out = cv2.resize(grid.astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC)
    return out * np.float32(1.35)  # interpolation takes about a quarter of the deviation


def fbm(rng: np.random.Generator, shape: tuple[int, int], cells, octaves: int = 4,
        gain: float = 0.5) -> np.ndarray:
    """Sum of octaves of :func:`value_noise`, each twice as fine and ``gain`` times as strong.

    Returns:
        float32 array of ``shape``, about zero mean and unit deviation.
    """
    cells = np.atleast_1d(np.asarray(cells, dtype=float)) * np.ones(2)
    out = np.zeros(shape, np.float32)
    weight, total = 1.0, 0.0
    for _ in range(octaves):
        out += np.float32(weight) * value_noise(rng, shape, tuple(cells))
        total += weight * weight
        cells, weight = cells * 2, weight * gain
    return out / np.float32(np.sqrt(total))


def streaks(rng: np.random.Generator, side: int, angle: float, across: float, along: float,
            waviness: float = 0.03, octaves: int = 3) -> np.ndarray:
    """Fibres: noise much finer across than along one direction, bent by a slow displacement.

    Args:
        rng: Source of randomness.
        side: Height and width of the result.
        angle: Direction of the fibres in radians.
        across: Fibres over the side.
        along: Features along a fibre over the side.
        waviness: Amplitude of the bend, as a fraction of the side.
        octaves: Octaves of the noise.

    Returns:
        float32 (side, side), about zero mean and unit deviation.
    """
    big = int(side * 1.5)
    raw = fbm(rng, (big, big), (across * 1.5, along * 1.5), octaves, 0.6)
    ys, xs = np.meshgrid(*(np.arange(side, dtype=np.float32) - side / 2,) * 2, indexing='ij')
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    bend = value_noise(rng, (side, side), 3) * np.float32(waviness * side)
    u = cos * xs + sin * ys + big / 2
    v = -sin * xs + cos * ys + bend + big / 2
    return cv2.remap(raw, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def lobules(rng: np.random.Generator, side: int, cells: float) -> tuple[np.ndarray, np.ndarray]:
    """Rounded cells, as of fat.

    Args:
        rng: Source of randomness.
        side: Height and width of the result.
        cells: Cells along the side.

    Returns:
        dome: float32 (side, side), 1 at the middle of a cell, 0 at or beyond its rim.
        shade: float32 (side, side), one standard normal value a cell.
    """
    step = side / cells
    axis = np.arange(int(np.ceil(cells)))
    gy, gx = np.meshgrid(axis, axis, indexing='ij')
    seeds = (np.stack([gy, gx], -1).reshape(-1, 2) + rng.uniform(0.05, 0.95, (gy.size, 2))) * step
    seeds = np.unique(np.clip(seeds.astype(int), 0, side - 1), axis=0)
    field = np.full((side, side), 255, np.uint8)
    field[seeds[:, 0], seeds[:, 1]] = 0
    dist, labels = cv2.distanceTransformWithLabels(
        field, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    # A wobble keeps the rims from being straight lines.
    dist = dist + value_noise(rng, (side, side), cells * 2) * np.float32(step * 0.06)
    dome = np.clip(1.0 - (dist / np.float32(step * 0.75)) ** 2, 0.0, 1.0)
    shades = rng.standard_normal(int(labels.max()) + 1).astype(np.float32)
    return dome.astype(np.float32), shades[labels]


def smoothstep(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below ``low``, 1 above ``high``, smooth between."""
    t = np.clip((x - np.float32(low)) / np.float32(high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)
