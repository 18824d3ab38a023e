"""The tissue textures of a patient: colour and fine relief of the whole plane."""

from __future__ import annotations

import cv2
import numpy as np

from .anatomy import EXTENT
from .noise import fbm, lobules, smoothstep, streaks, value_noise
from .plan import CLASSES
from .seeding import stream

BACKGROUND = 'muscle'
SIDE = 640
"""Side of a texture in pixels; it covers ``2 * EXTENT`` of the plane."""

GLOSS = {BACKGROUND: 0.8, CLASSES[0]: 1.0, CLASSES[1]: 0.55, CLASSES[2]: 0.7, CLASSES[3]: 0.9,
         'fascia': 0.85, 'scar': 0.75}
"""Strength of the specular highlights of a wet tissue."""


def _rgb(*value: float) -> np.ndarray:
    """A colour as (blue, green, red), float32."""
    return np.array(value[::-1], np.float32)


def _between(rng, first, second, jitter=0.035) -> np.ndarray:
    """A random colour between two."""
    weight = np.float32(rng.uniform(0, 1))
    return first * (1 - weight) + second * weight + rng.normal(0, jitter, 3).astype(np.float32)


def _mix(base: np.ndarray, colour: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """Blend a colour into an image by a map of weights, 0 to 1."""
    out = colour - base
    out *= amount[..., None]
    out += base
    return out


def _vessels(rng, count: int, angle: float, step: float, thickness: float) -> np.ndarray:
    """Fine wandering vessels, mostly along a direction; float32 (SIDE, SIDE), 0 to 1."""
    scale = 2
    canvas = np.zeros((SIDE * scale, SIDE * scale), np.uint8)
    for _ in range(count):
        heading = angle + rng.choice([0, np.pi]) + rng.normal(0, 0.2)
        turns = np.cumsum(rng.normal(0, 0.16, 60)) * 0.6 + heading
        path = np.cumsum(np.stack([np.cos(turns), np.sin(turns)], 1) * step * scale, 0)
        path += rng.uniform(0, SIDE * scale, 2)
        width = max(1, round(thickness * scale * rng.uniform(0.6, 1.5)))
        cv2.polylines(canvas, [np.round(path * 16).astype(np.int32)], False,
                      int(rng.integers(120, 255)), width, cv2.LINE_AA, 4)
        if rng.random() < 0.6:  # a branch
            at = rng.integers(10, 50)
            turns = heading + rng.choice([-1, 1]) * 0.7 + np.cumsum(rng.normal(0, 0.2, 25))
            twig = path[at] + np.cumsum(np.stack([np.cos(turns), np.sin(turns)], 1) * step, 0) * 2
            cv2.polylines(canvas, [np.round(twig * 16).astype(np.int32)], False, 130,
                          width // 2 + 1, cv2.LINE_AA, 4)
    small = cv2.resize(canvas, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(small, (0, 0), 0.7).astype(np.float32) / 255


def _muscle(rng) -> tuple[np.ndarray, np.ndarray]:
    shape = (SIDE, SIDE)
    base = np.tile(_between(rng, _rgb(0.62, 0.24, 0.20), _rgb(0.66, 0.36, 0.31)), (*shape, 1))
    fibre = streaks(rng, SIDE, rng.uniform(0, np.pi), rng.uniform(30, 70), rng.uniform(5, 14), 0.06)
    lump = fbm(rng, shape, rng.uniform(6, 10), 5, 0.6)
    pale = fbm(rng, shape, rng.uniform(3, 6), 4, 0.6)
    fibrous = np.float32(rng.uniform(0.15, 0.8))
    base = _mix(base, _rgb(0.84, 0.66, 0.58), rng.uniform(0.2, 0.75) * smoothstep(pale, 0.3, 1.8))
    base = _mix(base, _rgb(0.82, 0.60, 0.54),
                0.5 * fibrous * smoothstep(fibre + 0.6 * lump, 0.2, 2.2))
    pools = smoothstep(value_noise(rng, shape, 7), 0.1, 1.6)
    base = _mix(base, _rgb(0.34, 0.05, 0.05), 0.75 * pools)
    base = _mix(base, _rgb(0.45, 0.06, 0.06), 0.6 * _vessels(rng, 14, rng.uniform(0, 6), 6, 1.6))
    return base * (1 + 0.10 * lump[..., None]), 0.006 * fibrous * fibre + 0.03 * lump


def _nerve(rng) -> tuple[np.ndarray, np.ndarray]:
    shape = (SIDE, SIDE)
    base = np.tile(_between(rng, _rgb(0.90, 0.84, 0.72), _rgb(0.87, 0.70, 0.65)), (*shape, 1))
    slow = fbm(rng, shape, 5, 2)
    grain = streaks(rng, SIDE, 0.0, 45, 2, 0.02, 2)
    base = _mix(base, _rgb(0.82, 0.55, 0.50), rng.uniform(0.2, 0.7) * smoothstep(slow, -0.3, 1.8))
    base = base * (1 + 0.025 * grain[..., None])
    vessels = _vessels(rng, rng.integers(22, 40), 0.0, 5, rng.uniform(0.9, 1.5))
    base = _mix(base, _rgb(0.66, 0.14, 0.14), rng.uniform(0.5, 0.85) * vessels)
    return base, 0.0035 * grain + 0.006 * slow + 0.006 * vessels


def _ligament(rng) -> tuple[np.ndarray, np.ndarray]:
    shape = (SIDE, SIDE)
    base = np.tile(_between(rng, _rgb(0.86, 0.72, 0.38), _rgb(0.88, 0.79, 0.58)), (*shape, 1))
    angle = np.pi / 2 + rng.normal(0, 0.5)
    fibre = streaks(rng, SIDE, angle, rng.uniform(45, 85), rng.uniform(3, 9), 0.05)
    fibre = 0.7 * fibre + 0.5 * streaks(rng, SIDE, angle + rng.normal(0, 0.2), 130, 8, 0.04, 2)
    slow = fbm(rng, shape, 6, 4, 0.6)
    strength = np.float32(rng.uniform(0.35, 1.0))
    base = _mix(base, _rgb(0.95, 0.91, 0.78), 0.6 * strength * smoothstep(fibre, 0.2, 2.0))
    base = _mix(base, _rgb(0.70, 0.48, 0.27),
                0.5 * strength * smoothstep(-fibre + 0.4 * slow, 0.3, 2.4))
    base = _mix(base, _rgb(0.80, 0.46, 0.36), rng.uniform(0.2, 0.6) * smoothstep(slow, 0.2, 1.8))
    base = _mix(base, _rgb(0.66, 0.14, 0.12), 0.5 * _vessels(rng, 8, angle, 5, 0.9))
    return base, 0.0055 * strength * fibre + 0.022 * slow


def _adipose(rng) -> tuple[np.ndarray, np.ndarray]:
    shape = (SIDE, SIDE)
    base = np.tile(_between(rng, _rgb(0.90, 0.68, 0.30), _rgb(0.90, 0.78, 0.54)), (*shape, 1))
    cells = rng.uniform(20, 34)
    dome, shade = lobules(rng, SIDE, cells)
    slow = fbm(rng, shape, 5, 3)
    base = base * (1 + 0.06 * shade[..., None])
    crevices = 1 - smoothstep(dome, 0.0, 0.55)
    base = _mix(base, _rgb(0.70, 0.36, 0.16), rng.uniform(0.35, 0.7) * crevices)
    base = _mix(base, _rgb(0.97, 0.86, 0.55), 0.45 * smoothstep(dome, 0.6, 1.0))
    base = _mix(base, _rgb(0.74, 0.24, 0.18), rng.uniform(0.2, 0.6) * smoothstep(slow, 0.2, 2.0))
    base = _mix(base, _rgb(0.62, 0.12, 0.12), 0.6 * _vessels(rng, 8, rng.uniform(0, 6), 5, 1.0))
    return base, (rng.uniform(0.4, 0.8) / cells) * np.sqrt(dome) + 0.01 * slow


def _bone(rng) -> tuple[np.ndarray, np.ndarray]:
    shape = (SIDE, SIDE)
    base = np.tile(_between(rng, _rgb(0.90, 0.79, 0.73), _rgb(0.87, 0.69, 0.64)), (*shape, 1))
    rough = fbm(rng, shape, rng.uniform(24, 40), 4, 0.75)
    slow = fbm(rng, shape, 5, 3)
    porous = smoothstep(fbm(rng, shape, 5, 2), -0.6, 1.2) * np.float32(rng.uniform(0.3, 1.0))
    pits = porous * smoothstep(fbm(rng, shape, rng.uniform(60, 95), 2, 0.7), 0.7, 2.2)
    base = base * (1 + 0.07 * rough[..., None])
    blush = smoothstep(slow + 0.3 * rough, 0.0, 2.2)
    base = _mix(base, _rgb(0.78, 0.42, 0.40), rng.uniform(0.3, 0.8) * blush)
    base = _mix(base, _rgb(0.58, 0.20, 0.18), 0.75 * pits)
    scratch = streaks(rng, SIDE, rng.uniform(0, np.pi), 110, 12, 0.01, 2)
    return base, 0.0075 * rough - 0.012 * pits + 0.03 * slow + 0.002 * scratch


def _fascia(rng) -> tuple[np.ndarray, np.ndarray]:
    """A pale fibrous band of the background: nerve-like, without its long vessels."""
    shape = (SIDE, SIDE)
    base = np.tile(_between(rng, _rgb(0.88, 0.78, 0.68), _rgb(0.70, 0.42, 0.36)), (*shape, 1))
    grain = streaks(rng, SIDE, 0.0, rng.uniform(40, 80), rng.uniform(2, 6), 0.04, 2)
    slow = fbm(rng, shape, 6, 3)
    base = _mix(base, _rgb(0.72, 0.36, 0.32), rng.uniform(0.3, 0.7) * smoothstep(slow, 0.0, 1.8))
    base = _mix(base, _rgb(0.66, 0.14, 0.14), 0.5 * _vessels(rng, 6, rng.uniform(0, 6), 5, 1.0))
    return base * (1 + 0.04 * grain[..., None]), 0.005 * grain + 0.015 * slow


def _scar(rng) -> tuple[np.ndarray, np.ndarray]:
    """Yellowish granulation of the background: ligament- or fat-like, mottled with muscle."""
    shape = (SIDE, SIDE)
    base = np.tile(_between(rng, _rgb(0.86, 0.70, 0.44), _rgb(0.74, 0.46, 0.36)), (*shape, 1))
    mottle = fbm(rng, shape, rng.uniform(8, 20), 4, 0.65)
    fibre = streaks(rng, SIDE, rng.uniform(0, np.pi), 60, 6, 0.08)
    base = _mix(base, _rgb(0.66, 0.32, 0.27), rng.uniform(0.4, 0.8) * smoothstep(mottle, 0.0, 2.0))
    base = _mix(base, _rgb(0.93, 0.84, 0.66), 0.4 * smoothstep(fibre, 0.4, 2.2))
    return base, 0.012 * mottle + 0.004 * fibre


_MAKERS = {BACKGROUND: _muscle, CLASSES[0]: _adipose, CLASSES[1]: _bone, CLASSES[2]: _ligament,
           CLASSES[3]: _nerve, 'fascia': _fascia, 'scar': _scar}


def patient_textures(seed: int, patient: int) -> dict[str, np.ndarray]:
    """Draw the textures of a patient (deterministic).

    Returns:
        For ``BACKGROUND``, the look-alikes and every class a float32 (SIDE, SIDE, 4) array: blue,
        green and red reflectance, 0 to 1, and relief in radii of the field of view.
    """
    # How much a patient's tissues are stained alike: inflammation, old blood, irrigation.
    rng = stream(seed, patient, 0, 'stain')
    stain = np.float32(0.4 * rng.beta(1.2, 1.8))
    shade = _between(rng, _rgb(0.80, 0.55, 0.45), _rgb(0.74, 0.44, 0.40))
    out = {}
    for name, make in _MAKERS.items():
        colour, relief = make(stream(seed, patient, 0, f'texture {name}'))
        colour = colour + (shade - colour) * stain
        out[name] = np.dstack([np.clip(colour, 0, 1), relief]).astype(np.float32)
    return out


def texture_matrix() -> np.ndarray:
    """Affine map (2, 3) from texture pixels to the plane of the anatomy."""
    step = 2 * EXTENT / SIDE
    return np.array([[step, 0, -EXTENT + step / 2], [0, step, -EXTENT + step / 2]])
