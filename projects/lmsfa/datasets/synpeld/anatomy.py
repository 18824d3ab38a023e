"""The structures of a patient and how a frame looks at them.

Lengths are radii of the field of view at zoom 1; the nerve runs along the x axis, the ligament
lies on its +y side, the lamina (bone) on its -y side, the fat between them. A view turns, shifts
and scales this plane; structures near the scope shift more (parallax).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .plan import CLASSES, MAX_PER_FRAME
from .seeding import stream

EXTENT = 1.9
"""Half the side of the part of the plane that textures cover."""

_POINTS = 128
_WAVES = range(2, 9)


@dataclass(frozen=True)
class Structure:
    """One structure of a patient, which is one instance of the data set.

    Attributes:
        label: Class name.
        slot: 0 for the main structure of a class, 1 for the second one.
        depth: Place in the stack; higher covers lower.
        outline: float (N, 2) boundary at the start of the procedure.
        drift: (dx, dy) by which resection moves it until the end of the procedure.
        shrink: Fraction of its size lost until the end (negative: it is exposed further).
        relief: Height of its rounded profile.
        softness: Width of its border.
    """

    label: str
    slot: int
    depth: float
    outline: np.ndarray
    drift: tuple[float, float]
    shrink: float
    relief: float
    softness: float

    def at(self, progress: float) -> np.ndarray:
        """Outline at a stage of the procedure, float (N, 2)."""
        middle = self.outline.mean(0)
        scaled = middle + (self.outline - middle) * (1.0 - self.shrink * progress)
        return scaled + np.asarray(self.drift) * progress


def _ring(rng, centre, radii, rough, frequencies=_WAVES, fray=0.0) -> np.ndarray:
    """Closed wavy outline around a centre; ``fray`` adds a fine ragged edge."""
    theta = np.linspace(0, 2 * np.pi, _POINTS, endpoint=False)
    scale = np.ones(_POINTS)
    for k in frequencies:
        scale += rng.normal(0, rough / k) * np.cos(k * theta + rng.uniform(0, 2 * np.pi))
    for k in range(14, 30, 3) if fray else ():
        scale += rng.normal(0, fray) * np.cos(k * theta + rng.uniform(0, 2 * np.pi))
    turn = rng.normal(0, 0.2)
    x, y = radii[0] * scale * np.cos(theta), radii[1] * scale * np.sin(theta)
    out = np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], 1)
    return out + np.asarray(centre)


def _cluster(rng, centre, spread, lobes) -> np.ndarray:
    """Outline of the union of a ring of lobules: a scalloped, lumpy shape."""
    theta = np.linspace(0, 2 * np.pi, _POINTS, endpoint=False)
    spread = np.asarray(spread)
    angles = np.sort(rng.uniform(0, 2 * np.pi, lobes))
    middles = np.stack([np.cos(angles), np.sin(angles)], 1) * spread
    middles = middles * rng.uniform(0.3, 0.8, (lobes, 1))
    sizes = spread.mean() * rng.uniform(0.3, 0.55, lobes)
    rays = np.stack([np.cos(theta), np.sin(theta)], 1)
    along = rays @ middles.T
    away = sizes**2 - ((middles**2).sum(1) - along**2)
    reach = np.where(away > 0, along + np.sqrt(np.maximum(away, 0)), 0).max(1)
    reach = np.maximum(reach, spread.mean() * 0.5)
    kernel = np.array([1, 2, 3, 2, 1]) / 9.0
    reach = np.convolve(np.concatenate([reach[-2:], reach, reach[:2]]), kernel, 'valid')
    return rays * reach[:, None] + np.asarray(centre)


def _tube(rng, middle, angle, half_width, bend) -> np.ndarray:
    """Outline of a smooth band that crosses the whole plane."""
    s = np.linspace(-EXTENT, EXTENT, _POINTS // 2)
    phase, rate = rng.uniform(0, 2 * np.pi), rng.uniform(0.9, 1.8)
    axis = bend * np.sin(rate * s + phase) - bend * np.sin(phase)
    width = half_width * (1 + 0.10 * np.sin(rng.uniform(1, 2) * s + rng.uniform(0, 2 * np.pi)))
    upper, lower = np.stack([s, axis + width], 1), np.stack([s, axis - width], 1)
    out = np.concatenate([upper, lower[::-1]])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return out @ turn.T + np.asarray(middle)


def patient_anatomy(seed: int, patient: int) -> list[Structure]:
    """Draw the structures of a patient, back to front (deterministic).

    Returns:
        ``MAX_PER_FRAME`` structures of every class, sorted by depth. Which of them a frame shows
        is up to its plan.
    """
    rng = stream(seed, patient, 0, 'anatomy')
    side = rng.choice([-1.0, 1.0])
    bone_on_top = rng.random() < 0.3
    fat_on_top = rng.random() < 0.25
    items = []

    def add(label, slot, depth, outline, drift, shrink, relief, softness):
        items.append(Structure(label, slot, depth, outline, drift, shrink, relief, softness))

    adipose, bone, ligament, nerve = CLASSES
    width = rng.uniform(0.24, 0.38)
    add(nerve, 0, 2.0, _tube(rng, (0, rng.normal(0, 0.06)), rng.normal(0, 0.12), width,
                             rng.uniform(0.05, 0.22)),
        (0, 0), -0.1, rng.uniform(0.16, 0.26), rng.uniform(0.008, 0.02))
    add(nerve, 1, 2.1, _tube(rng, (side * 0.2, -0.62), side * rng.uniform(0.25, 0.5),
                             rng.uniform(0.13, 0.2), 0.08),
        (0, 0), -0.1, rng.uniform(0.1, 0.16), rng.uniform(0.008, 0.02))

    radii = (rng.uniform(0.75, 1.1), rng.uniform(0.45, 0.65))
    add(ligament, 0, 4.0, _ring(rng, (rng.normal(0, 0.2), rng.uniform(0.42, 0.62)), radii, 0.22,
                                fray=0.012),
        (rng.normal(0, 0.1), rng.uniform(0.08, 0.25)), rng.uniform(0.05, 0.3),
        rng.uniform(0.06, 0.12), rng.uniform(0.015, 0.05))
    add(ligament, 1, 4.1, _ring(rng, (side * rng.uniform(0.3, 0.6), rng.uniform(-0.75, -0.55)),
                                (rng.uniform(0.35, 0.55), rng.uniform(0.22, 0.34)), 0.25,
                                fray=0.014),
        (0, rng.uniform(-0.15, 0)), 0.1, rng.uniform(0.05, 0.1), rng.uniform(0.015, 0.05))

    add(adipose, 0, 4.5 if fat_on_top else 3.0,
        _cluster(rng, (side * rng.uniform(0.3, 0.55), rng.uniform(-0.05, 0.3)),
                 (rng.uniform(0.38, 0.58), rng.uniform(0.32, 0.48)), rng.integers(7, 13)),
        tuple(rng.normal(0, 0.08, 2)), rng.uniform(-0.1, 0.2), rng.uniform(0.12, 0.2),
        rng.uniform(0.015, 0.045))
    add(adipose, 1, 4.6 if fat_on_top else 3.1,
        _cluster(rng, (-side * rng.uniform(0.45, 0.65), rng.uniform(-0.4, 0.1)),
                 (rng.uniform(0.24, 0.36), rng.uniform(0.22, 0.32)), rng.integers(5, 9)),
        tuple(rng.normal(0, 0.05, 2)), 0.1, rng.uniform(0.1, 0.16), rng.uniform(0.015, 0.045))

    add(bone, 0, 5.0 if bone_on_top else 1.0,
        _ring(rng, (-side * rng.uniform(0.1, 0.5), rng.uniform(-0.95, -0.72)),
              (rng.uniform(0.65, 0.95), rng.uniform(0.45, 0.62)), 0.2, fray=0.006),
        (0, rng.normal(0, 0.05)), rng.uniform(-0.15, 0.05), rng.uniform(0.12, 0.22),
        rng.uniform(0.006, 0.02))
    add(bone, 1, 5.1 if bone_on_top else 1.1,
        _ring(rng, (side * rng.uniform(0.75, 0.95), rng.uniform(0.35, 0.65)),
              (rng.uniform(0.35, 0.5), rng.uniform(0.3, 0.45)), 0.2, fray=0.006),
        (0, 0), 0.0, rng.uniform(0.1, 0.18), rng.uniform(0.006, 0.02))
    assert len(items) == MAX_PER_FRAME * len(CLASSES)
    return sorted(items, key=lambda item: item.depth)


def patient_decoys(seed: int, patient: int) -> list[Structure]:
    """Draw what looks like an annotated tissue and is none: fascia bands and scar patches.

    They lie below every annotated structure, so they never change a mask.

    Returns:
        Two bands and a patch, back to front (deterministic). Which of them a frame shows is up to
        its scene.
    """
    rng = stream(seed, patient, 0, 'decoys')
    bands = [
        Structure('fascia', slot, 0.3 + 0.1 * slot,
                  _tube(rng, rng.uniform(-0.75, 0.75, 2), rng.uniform(0, np.pi),
                        rng.uniform(0.1, 0.28), rng.uniform(0.03, 0.2)),
                  (0.0, 0.0), 0.0, rng.uniform(0.06, 0.2), rng.uniform(0.008, 0.04))
        for slot in range(2)]
    patch = Structure('scar', 0, 0.6,
                      _ring(rng, rng.uniform(-0.7, 0.7, 2),
                            (rng.uniform(0.3, 0.7), rng.uniform(0.25, 0.5)), 0.3, fray=0.012),
                      tuple(rng.normal(0, 0.1, 2)), rng.uniform(-0.1, 0.2),
                      rng.uniform(0.04, 0.16), rng.uniform(0.02, 0.05))
    return [*bands, patch]


@dataclass(frozen=True)
class View:
    """How a frame looks at the plane: turn, mirror, zoom, then shift.

    Attributes:
        angle: Rotation in radians.
        mirror: 1 or -1, a patient's left or right side.
        zoom: Magnification.
        shift: The point of the plane in the middle of the field of view.
    """

    angle: float
    mirror: float
    zoom: float
    shift: tuple[float, float]

    def matrix(self, radius: float, centre: tuple[float, float], depth: float = 0.0) -> np.ndarray:
        """Affine map from the plane to pixels.

        Args:
            radius: Radius of the field of view in pixels.
            centre: Its centre (x, y) in pixels, pixel centres at whole numbers.
            depth: Depth of the structure; nearer ones move further with the view's shift.

        Returns:
            float64 (2, 3).
        """
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        turn = np.array([[cos, -sin], [sin, cos]]) @ np.diag([1.0, self.mirror])
        linear = turn * radius * self.zoom
        parallax = 1.0 + 0.05 * depth
        offset = np.asarray(centre) - linear @ (np.asarray(self.shift) * parallax)
        return np.concatenate([linear, offset[:, None]], axis=1)


def draw_view(seed: int, patient: int, rng: np.random.Generator) -> View:
    """Draw one view of a patient: its own orientation, jittered by ``rng``."""
    base = stream(seed, patient, 0, 'orientation')
    angle = base.uniform(0, 2 * np.pi)
    mirror = float(base.choice([-1.0, 1.0]))
    zoom = base.uniform(0.85, 1.1)
    return View(
        angle=float(angle + rng.normal(0, 0.22)),
        mirror=mirror,
        zoom=float(zoom * np.exp(rng.normal(0, 0.13))),
        shift=(float(rng.normal(0, 0.2)), float(rng.normal(0, 0.17))),
    )


def transform(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Map points, float (N, 2), by an affine (2, 3)."""
    return points @ matrix[:, :2].T + matrix[:, 2]
