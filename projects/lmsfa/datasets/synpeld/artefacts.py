"""What stands between the tissue and the picture: blood, fluid, smoke, dust, glare, blur.

Every function changes a float32 (n, n, 3) BGR picture of the field of view, 1 = white; lengths are
in radii of the field of view, ``n`` spans two of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .noise import fbm, smoothstep, value_noise


@dataclass(frozen=True)
class Conditions:
    """Strength of every artefact in a frame, 0 (none) to 1.

    ``motion_angle`` is the direction of the motion blur in radians.
    """

    blood: float
    fluid: float
    bubbles: float
    smoke: float
    dust: float
    glare: float
    defocus: float
    motion: float
    motion_angle: float


def draw_conditions(rng: np.random.Generator) -> Conditions:
    """Draw a frame's conditions: each artefact is often absent, and of any strength where not."""

    def sometimes(chance: float) -> float:
        value = float(rng.beta(1.5, 1.9))
        return value if rng.random() < chance else 0.0

    return Conditions(
        blood=sometimes(0.6), fluid=sometimes(0.42), bubbles=sometimes(0.25),
        smoke=sometimes(0.28), dust=sometimes(0.25), glare=sometimes(0.35),
        defocus=sometimes(0.42), motion=sometimes(0.28),
        motion_angle=float(rng.uniform(0, np.pi)),
    )


def _blend(picture: np.ndarray, colour, amount: np.ndarray) -> None:
    """Blend a (blue, green, red) colour in by a map of weights, in place."""
    weight = amount[..., None]
    picture *= 1 - weight
    picture += weight * np.asarray(colour, np.float32)


def add_blood(picture: np.ndarray, rng: np.random.Generator, strength: float) -> None:
    """A translucent film of blood with pools and streaks; the tissue stays visible through it."""
    n = picture.shape[0]
    field = fbm(rng, (n, n), (rng.uniform(2, 4), rng.uniform(2, 5)), 4, 0.6)
    level = 1.6 - 1.5 * strength
    film = smoothstep(field, level, level + 1.2) * np.float32(0.35 + 0.35 * strength)
    # Blood takes green and blue away more than it adds red.
    film = film[..., None]
    tint = np.array([0.22, 0.18, 0.82], np.float32)
    picture *= 1 - film * (1 - tint)
    picture += film * np.array([0.015, 0.01, 0.10], np.float32)


def add_fluid(picture: np.ndarray, rng: np.random.Generator, strength: float) -> None:
    """Irrigation fluid: a pinkish or clear haze that takes contrast in drifting swirls."""
    n = picture.shape[0]
    field = fbm(rng, (n, n), (2, 3), 3)
    haze = smoothstep(field, -1.0, 2.0) * np.float32(0.55 * strength)
    red = rng.uniform(0.0, 1.0)
    _blend(picture, (0.62 - 0.35 * red, 0.62 - 0.34 * red, 0.66), haze)


def add_smoke(picture: np.ndarray, rng: np.random.Generator, strength: float) -> None:
    """Grey-white smoke, denser towards one side."""
    n = picture.shape[0]
    field = fbm(rng, (n, n), 2.5, 4, 0.6) + 0.8 * value_noise(rng, (n, n), 2)
    _blend(picture, (0.72, 0.70, 0.69), smoothstep(field, -1.2, 2.0) * np.float32(0.7 * strength))


def add_bubbles(picture: np.ndarray, rng: np.random.Generator, strength: float) -> None:
    """Air bubbles: a bright rim, a slightly lit body, one sharp reflection."""
    n = picture.shape[0]
    half = n / 2
    glow = np.zeros((n, n), np.uint8)
    for _ in range(int(2 + 12 * strength)):
        radius = half * rng.uniform(0.015, 0.07) * (1 + strength)
        x, y = half + half * rng.uniform(-0.85, 0.85, 2)
        centre = (int(x * 16), int(y * 16))
        cv2.circle(glow, centre, int(radius * 16), 26, -1, cv2.LINE_AA, 4)
        cv2.circle(glow, centre, int(radius * 16), int(rng.integers(60, 140)), 1, cv2.LINE_AA, 4)
        spot = (int((x - radius * 0.4) * 16), int((y - radius * 0.4) * 16))
        cv2.circle(glow, spot, int(max(radius * 0.16, 0.8) * 16), 255, -1, cv2.LINE_AA, 4)
    picture += (cv2.GaussianBlur(glow, (0, 0), 0.6).astype(np.float32) / 255)[..., None]


def add_dust(picture: np.ndarray, rng: np.random.Generator, strength: float) -> None:
    """Bone dust and debris: pale specks, in focus and out of it, in a drifting cloud."""
    n = picture.shape[0]
    half = n / 2
    sharp, soft = np.zeros((n, n), np.uint8), np.zeros((n, n), np.uint8)
    middle = rng.uniform(-0.4, 0.4, 2)
    for index in range(int(20 + 160 * strength)):
        x, y = half + half * (middle + rng.normal(0, 0.4, 2))
        canvas = soft if index % 4 == 0 else sharp
        radius = half * abs(rng.normal(0, 0.008)) + 0.5
        axes = (int(radius * rng.uniform(0.5, 2.2)) + 1, int(radius) + 1)
        cv2.ellipse(canvas, (int(x), int(y)), axes, float(rng.uniform(0, 180)), 0, 360,
                    int(rng.integers(90, 230)), -1, cv2.LINE_AA)
    specks = cv2.GaussianBlur(sharp, (0, 0), 0.6).astype(np.float32) / 255
    specks += cv2.GaussianBlur(soft, (0, 0), 3.0).astype(np.float32) / 255 * 0.7
    _blend(picture, (0.78, 0.84, 0.90), np.clip(specks, 0, 0.9))


def add_glare(picture: np.ndarray, rng: np.random.Generator, strength: float) -> None:
    """A washed-out area where the light is reflected straight back, and a bloom around it."""
    n = picture.shape[0]
    x, y = rng.normal(0, 0.35, 2)
    width, angle = rng.uniform(0.1, 0.3), rng.uniform(0, np.pi)
    axis = np.linspace(-1, 1, n, dtype=np.float32)
    u = np.cos(angle) * (axis[None] - x) + np.sin(angle) * (axis[:, None] - y)
    v = -np.sin(angle) * (axis[None] - x) + np.cos(angle) * (axis[:, None] - y)
    spot = np.exp(-((u / (width * 1.8)) ** 2 + (v / width) ** 2)).astype(np.float32)
    spot *= 1 + 0.4 * value_noise(rng, (n, n), 9)
    picture += (np.clip(spot, 0, None) * np.float32(0.7 * strength))[..., None]


def add_bloom(picture: np.ndarray) -> None:
    """Light of overexposed places spills over their surroundings."""
    n = picture.shape[0]
    small = cv2.resize(picture, (n // 4, n // 4), interpolation=cv2.INTER_AREA)
    over = cv2.GaussianBlur(np.clip(small - 0.85, 0, 1.5), (0, 0), n / 110)
    picture += 0.5 * cv2.resize(over, (n, n), interpolation=cv2.INTER_LINEAR)


def blur(picture: np.ndarray, base: float, conditions: Conditions) -> np.ndarray:
    """Defocus and motion blur.

    Args:
        picture: float32 (n, n, 3).
        base: Deviation of the optics' own blur in pixels of ``picture``.
        conditions: The frame's conditions.

    Returns:
        float32 (n, n, 3).
    """
    n = picture.shape[0]
    sigma = float(np.hypot(base, conditions.defocus * n / 130))
    if sigma > 0.25:
        picture = cv2.GaussianBlur(picture, (0, 0), sigma)
    length = conditions.motion * n / 22
    if length > 1.5:
        side = int(np.ceil(length)) | 1
        kernel = np.zeros((side, side), np.uint8)
        half = (side - 1) / 2
        step = np.array([np.cos(conditions.motion_angle), np.sin(conditions.motion_angle)])
        ends = [tuple(int(v) for v in np.round((half + s * step * half) * 16)) for s in (-1, 1)]
        cv2.line(kernel, ends[0], ends[1], 255, 1, cv2.LINE_AA, 4)
        weights = kernel.astype(np.float32) / max(float(kernel.sum()), 1.0)
        picture = cv2.filter2D(picture, -1, weights)
    return picture


def apply_artefacts(picture: np.ndarray, rng: np.random.Generator, conditions: Conditions) -> None:
    """Add everything between tissue and lens, in place, far to near."""
    steps = ((add_fluid, conditions.fluid), (add_smoke, conditions.smoke),
             (add_dust, conditions.dust), (add_bubbles, conditions.bubbles),
             (add_glare, conditions.glare))
    for step, strength in steps:
        if strength > 0:
            step(picture, rng, strength)
