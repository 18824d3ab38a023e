"""Light on a relief: diffuse shading, wet highlights, the metal of instruments."""

from __future__ import annotations

import cv2
import numpy as np

from .instruments import Instrument
from .noise import value_noise
from .style import PatientStyle


class Lamp:
    """The scope's light over a square raster of the field of view.

    Args:
        side: Side of the raster in pixels; it spans two radii.
        style: The patient's style.
    """

    def __init__(self, side: int, style: PatientStyle):
        self.side = side
        axis = ((np.arange(side, dtype=np.float32) + 0.5) / side * 2 - 1).astype(np.float32)
        self.x, self.y = np.meshgrid(axis, axis)
        lx, ly = style.light[0] - self.x, style.light[1] - self.y
        lz = np.full_like(lx, style.light_height)
        length = np.sqrt(lx * lx + ly * ly + lz * lz)
        self.to_light = (lx / length, ly / length, lz / length)
        view = np.sqrt(self.x**2 + self.y**2 + 1.5**2)
        hx = self.to_light[0] - self.x / view
        hy = self.to_light[1] - self.y / view
        hz = self.to_light[2] + 1.5 / view
        length = np.sqrt(hx * hx + hy * hy + hz * hz)
        self.half = (hx / length, hy / length, hz / length)
        radius = np.sqrt(self.x**2 + self.y**2)
        distance = (lx * lx + ly * ly) / style.light_height**2
        vignette = 1 - np.float32(style.falloff) * np.clip(radius, 0, 1.1) ** 2.6
        self.power = (vignette / (1 + 0.30 * distance)).astype(np.float32)

    def shade(self, albedo: np.ndarray, height: np.ndarray, gloss: np.ndarray) -> np.ndarray:
        """Light a relief.

        Args:
            albedo: float32 (n, n, 3) reflectance.
            height: float32 (n, n) in radii of the field of view.
            gloss: float32 (n, n) strength of the highlights.

        Returns:
            float32 (n, n, 3), 1 = white, highlights above it.
        """
        scale = self.side / 2 / 8  # Sobel's kernel sums to 8
        gx = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3, scale=scale)
        gy = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3, scale=scale)
        norm = 1 / np.sqrt(gx * gx + gy * gy + 1)
        (lx, ly, lz), (hx, hy, hz) = self.to_light, self.half
        diffuse = np.maximum((lz - gx * lx - gy * ly) * norm, 0)
        facing = np.maximum((hz - gx * hx - gy * hy) * norm, 0)
        wide = np.exp((facing - 1) * 38)
        sharp = np.exp((facing - 1) * 240)
        light = (0.22 + 0.86 * diffuse) * self.power
        out = albedo * light[..., None]
        out += (gloss * self.power * (0.10 * wide + 0.62 * sharp))[..., None]
        return out

    def draw_instrument(self, picture: np.ndarray, rng: np.random.Generator,
                        instrument: Instrument) -> None:
        """Draw an instrument with its shadow into a lit picture, in place."""
        n = self.side
        mask = np.zeros((n, n), np.uint8)
        for part in instrument.outlines:
            points = (part + 1) * (n / 2) - 0.5
            cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        cover = cv2.GaussianBlur(mask, (0, 0), 0.8).astype(np.float32) / 255
        drop = n * 0.03
        move = np.array([[1, 0, drop * rng.uniform(-1, 1)], [0, 1, drop * rng.uniform(-1, 1)]])
        shadow = cv2.warpAffine(cv2.GaussianBlur(cover, (0, 0), n * 0.02), move, (n, n))
        picture *= 1 - 0.5 * shadow[..., None]
        ax, ay = instrument.axis
        dx, dy = self.x - instrument.tip[0], self.y - instrument.tip[1]
        along, across = dx * ax + dy * ay, (dy * ax - dx * ay) / instrument.half_width
        round_ = np.sqrt(np.clip(1 - across * across * 0.8, 0.05, 1))
        streak = np.exp(-((across - rng.uniform(-0.5, 0.5)) ** 2) * rng.uniform(8, 30))
        grain = value_noise(rng, (n, n), (3, n / 6)) * 0.04
        metal = instrument.tone * (0.15 + 0.55 * round_) + 0.55 * streak + grain
        if instrument.dark_tip:
            dark = 0.08 + 0.10 * round_ + 0.12 * streak
            metal = np.where(along < instrument.dark_tip, dark, metal)
        rings = 0.06 * (np.sin(along * 60) > 0.96)
        metal = np.clip((metal - rings) * (0.35 + 0.75 * self.power), 0, 1.3)
        # The metal mirrors the reddish tissue around it.
        tint = np.array([0.96, 0.95, 1.02], np.float32)
        cover = cover[..., None]
        picture *= 1 - cover
        picture += cover * (metal[..., None] * tint)
