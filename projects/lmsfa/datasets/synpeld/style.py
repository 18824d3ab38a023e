"""What a patient's camera, optics and light look like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .seeding import stream


@dataclass(frozen=True)
class PatientStyle:
    """Camera and light of one patient; lengths are in radii of the field of view.

    Attributes:
        field: Diameter of the field of view over the image height.
        centre: Offset of the field of view from the image's centre.
        gains: White balance, multipliers of blue, green and red.
        saturation: Multiplier of the distance from grey.
        exposure: Multiplier of the light.
        gamma: Exponent of the tone curve.
        light: Offset of the light from the optical axis.
        light_height: Distance of the light from the tissue.
        falloff: Darkening at the rim of the field of view, 0 to 1.
        rim: Width of the soft rim of the field of view.
        blur: Base sharpness, deviation of a Gaussian at 720 lines, in pixels.
        sharpen: Strength of the camera's edge enhancement.
        noise: Deviation of the sensor noise, in grey levels.
        black: Grey level of the surround, (blue, green, red).
        quality: JPEG quality.
        channel: Direction in which the working channel lies, radians.
        notch: Direction of the orientation mark on the rim, or None.
    """

    field: float
    centre: tuple[float, float]
    gains: tuple[float, float, float]
    saturation: float
    exposure: float
    gamma: float
    light: tuple[float, float]
    light_height: float
    falloff: float
    rim: float
    blur: float
    sharpen: float
    noise: float
    black: tuple[float, float, float]
    quality: int
    channel: float
    notch: float | None


def patient_style(seed: int, patient: int) -> PatientStyle:
    """Draw the style of a patient (deterministic)."""
    rng = stream(seed, patient, 0, 'style')
    warmth, tint = rng.normal(0.0, 0.1), rng.normal(0.0, 0.045)
    gains = np.array([1.0 - warmth, 1.0 + tint, 1.0 + warmth])
    level = rng.uniform(0, 14)
    return PatientStyle(
        field=float(rng.uniform(0.92, 1.04)),
        centre=tuple(rng.normal(0.0, 0.03, 2)),
        gains=tuple(gains),
        saturation=float(rng.uniform(0.65, 1.2)),
        exposure=float(rng.uniform(0.9, 1.22)),
        gamma=float(rng.uniform(0.8, 1.2)),
        light=tuple(rng.normal(0.0, 0.22, 2)),
        light_height=float(rng.uniform(0.8, 1.3)),
        falloff=float(rng.uniform(0.35, 0.75)),
        rim=float(rng.uniform(0.008, 0.035)),
        blur=float(rng.uniform(0.0, 0.9)),
        sharpen=float(rng.uniform(0.0, 0.7)),
        noise=float(rng.uniform(1.0, 4.0)),
        black=tuple(np.clip(level + rng.normal(0.0, 1.5, 3), 0, 20)),
        quality=int(rng.integers(88, 96)),
        channel=float(rng.uniform(0, 2 * np.pi)),
        notch=float(rng.uniform(0, 2 * np.pi)) if rng.random() < 0.4 else None,
    )
