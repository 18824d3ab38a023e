"""Clips: a scope that moves over a patient, instruments that come and go, a true mask every frame.

A clip shows one frame plan of one patient. Scope and instruments move along smooth random paths;
blood, smoke and glare keep their place and change their strength slowly, so that they come and go.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from . import artefacts
from .anatomy import View
from .instruments import draw_instrument
from .render import (
    _compose,
    _develop,
    _draw_clots,
    _lamp,
    _patient,
    _raster,
    _tissue,
)
from .scene import DROP_BELOW, Scene, draw_scene, image_field, label_map
from .seeding import stream

RATE = 25.0
"""Frames a second."""

_WAVES = 4
_KINDS = ('blood', 'fluid', 'smoke', 'glare', 'defocus', 'motion')


@dataclass(frozen=True)
class TrueInstance:
    """A visible structure of a frame.

    Attributes:
        number: Identity, the same in all frames of the clip, from 1.
        label: Class name.
        mask: bool (height, width).
        motion: float (2, 3), the affine map from its place in the frame before to that in this
            one, in pixels with their centres at whole numbers; None in the first frame.
    """

    number: int
    label: str
    mask: np.ndarray
    motion: np.ndarray | None


class _Path:
    """A smooth random function of time with values about -1 to 1.

    Args:
        rng: Source of randomness.
        fastest: Highest frequency in hertz.
    """

    def __init__(self, rng: np.random.Generator, fastest: float) -> None:
        self._rates = rng.uniform(0.2, 1, _WAVES) * fastest * 2 * np.pi
        self._phases = rng.uniform(0, 2 * np.pi, _WAVES)
        weights = rng.uniform(0.3, 1, _WAVES)
        self._weights = weights / weights.sum()

    def __call__(self, seconds: float) -> float:
        return float(self._weights @ np.sin(self._rates * seconds + self._phases))


class Clip:
    """Frames of a moving scope, drawn one at a time; the same for the same arguments.

    Args:
        seed: Seed of the clip, >= 0.
        patient: Patient number, from 1.
        frame: Which frame plan of the patient, 1 to 10; it says what is to be seen.
        size: (width, height) in pixels, both at least 96.
        motion: How much the scope moves; 1 is lively, 0 not at all.
    """

    def __init__(self, seed: int, patient: int = 1, frame: int = 3,
                 size: tuple[int, int] = (1080, 720), motion: float = 1.0) -> None:
        cv2.setNumThreads(1)
        plans, self._style, self._textures = _patient(seed, patient, 10, None)
        self._key, self._motion = (seed, patient, frame), motion
        self._field = image_field(size, self._style)
        self.scene = draw_scene(seed, plans[frame - 1], self._style, size)
        rng = stream(seed, patient, frame, 'clip')
        self._shift = _Path(rng, 0.5), _Path(rng, 0.5)
        self._turn, self._zoom = _Path(rng, 0.25), _Path(rng, 0.25)
        self._reach, self._sway, self._presence = (
            _Path(rng, 0.6), _Path(rng, 0.8), _Path(rng, 0.2))
        self._strength = {kind: (_Path(rng, 0.25), rng.uniform(0.1, 0.6)) for kind in _KINDS}
        self._angle = float(rng.uniform(0, np.pi))
        while not (tool := draw_instrument(rng, self._style.channel)):
            pass
        self._tool = tool[0]

    def view(self, index: int) -> View:
        """How frame ``index`` looks at the plane."""
        seconds, base, by = index / RATE, self.scene.view, self._motion
        return replace(
            base, angle=base.angle + 0.25 * by * self._turn(seconds),
            zoom=base.zoom * float(np.exp(0.15 * by * self._zoom(seconds))),
            shift=tuple(start + 0.22 * by * path(seconds)
                        for start, path in zip(base.shift, self._shift, strict=True)))

    def _instruments(self, index: int) -> tuple:
        """The instrument of a frame: it pushes in, sways, and is away for a while."""
        seconds = index / RATE
        out = max(0.0, 1.2 * self._presence(seconds) + 0.2) * 1.6
        axis = np.asarray(self._tool.axis)
        move = (out + 0.25 * self._reach(seconds)) * axis
        move = move + 0.12 * self._sway(seconds) * np.array([-axis[1], axis[0]])
        return (replace(self._tool, tip=tuple(np.asarray(self._tool.tip) + move),
                        outlines=tuple(part + move for part in self._tool.outlines)),)

    def _scene(self, index: int) -> Scene:
        return replace(self.scene, view=self.view(index), instruments=self._instruments(index))

    def _conditions(self, index: int) -> artefacts.Conditions:
        seconds = index / RATE
        strengths = {kind: max(0.0, most * path(seconds))
                     for kind, (path, most) in self._strength.items()}
        return artefacts.Conditions(**strengths, bubbles=0.0, dust=0.0, motion_angle=self._angle)

    def image(self, index: int) -> np.ndarray:
        """Frame ``index``, from 0: uint8 (height, width, 3), BGR."""
        scene, style, conditions = self._scene(index), self._style, self._conditions(index)
        raster, corner, side = _raster(self._field)
        lamp = _lamp(raster.size[0], style)
        # One stream for all frames keeps every artefact in its place.
        rng = stream(*self._key, 'clip picture')
        picture = _tissue(scene, self._textures, raster, lamp)
        if conditions.blood > 0:
            artefacts.add_blood(picture, stream(*self._key, 'clip blood'), conditions.blood)
        _draw_clots(picture, scene, rng)
        for instrument in scene.instruments:
            lamp.draw_instrument(picture, stream(*self._key, 'clip metal'), instrument)
        for kind, add in (('fluid', artefacts.add_fluid), ('smoke', artefacts.add_smoke),
                          ('glare', artefacts.add_glare)):
            if getattr(conditions, kind) > 0:
                add(picture, stream(*self._key, f'clip {kind}'), getattr(conditions, kind))
        artefacts.add_bloom(picture)
        picture = artefacts.blur(picture, style.blur * raster.size[0] / 720, conditions)
        lit = cv2.resize(_develop(picture, style), (side, side), interpolation=cv2.INTER_CUBIC)
        return _compose(lit, self._field, corner, side, style,
                        stream(self._key[0], self._key[1], index + 1, 'clip noise'))

    def truth(self, index: int) -> list[TrueInstance]:
        """What is to be seen in frame ``index``, back to front."""
        scene, field = self._scene(index), self._field
        labels = label_map(scene, field)
        least = DROP_BELOW * labels.size
        before = self.view(index - 1) if index else None
        out = []
        for number, item in enumerate(scene.structures, start=1):
            mask = labels == number
            if mask.sum() < least:
                continue
            motion = None
            if before is not None:
                old, new = (np.vstack([view.matrix(field.radius, field.centre, item.depth),
                                       [0, 0, 1]]) for view in (before, scene.view))
                motion = (new @ np.linalg.inv(old))[:2]
            out.append(TrueInstance(number, item.label, mask, motion))
        return out

    def __iter__(self) -> Iterator[tuple[np.ndarray, list[TrueInstance]]]:
        """(image, truth) of frame after frame, without end."""
        index = 0
        while True:
            yield self.image(index), self.truth(index)
            index += 1
