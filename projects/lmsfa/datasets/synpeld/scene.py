"""What a frame shows: its view, the structures in it, instruments and clots in front of them.

A view is drawn again until every structure of the plan can be seen, so that the number of
instances in the files is the number planned.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .anatomy import Structure, View, draw_view, patient_anatomy, patient_decoys, transform
from .families import FAMILIES
from .instruments import Instrument, draw_instrument
from .plan import FramePlan
from .seeding import stream
from .style import PatientStyle

MIN_VISIBLE = 0.012
"""A planned instance shows at least this fraction of the image if any view allows it."""

DROP_BELOW = 0.002
"""An instance that shows less than this fraction of the image is not annotated."""

_ATTEMPTS = 40
_SCOUT = 120
_SUB_PIXEL = 4


@dataclass(frozen=True)
class Field:
    """The field of view in pixels of some raster.

    Attributes:
        size: (width, height) of the raster.
        centre: (x, y), pixel centres at whole numbers.
        radius: Radius.
    """

    size: tuple[int, int]
    centre: tuple[float, float]
    radius: float

    def scaled(self, factor: float) -> Field:
        """The same field on a raster ``factor`` times as fine."""
        size = tuple(max(1, round(n * factor)) for n in self.size)
        centre = tuple((c + 0.5) * factor - 0.5 for c in self.centre)
        return Field(size, centre, self.radius * factor)


@dataclass(frozen=True)
class Scene:
    """Everything in a frame but its optics.

    Attributes:
        plan: What was to be shown.
        view: How the patient is looked at.
        structures: Visible structures, back to front.
        decoys: Look-alikes below them that are not annotated, back to front.
        instruments: Instruments in front of them.
        clots: Opaque clots, float (N, 2) outlines in radii of the field, origin at its centre.
    """

    plan: FramePlan
    view: View
    structures: tuple[Structure, ...]
    decoys: tuple[Structure, ...]
    instruments: tuple[Instrument, ...]
    clots: tuple[np.ndarray, ...]


def image_field(size: tuple[int, int], style: PatientStyle) -> Field:
    """The field of view of a patient in an image of (width, height)."""
    width, height = size
    radius = style.field * min(height, width) / 2
    centre = ((width - 1) / 2 + style.centre[0] * height,
              (height - 1) / 2 + style.centre[1] * height)
    return Field((width, height), centre, radius)


def fill(canvas: np.ndarray, points: np.ndarray, value: int, smooth: bool = False) -> None:
    """Fill a float (N, 2) polygon, to a sixteenth of a pixel, in place."""
    fixed = np.round(points * (1 << _SUB_PIXEL)).astype(np.int32)
    line = cv2.LINE_AA if smooth else cv2.LINE_8
    cv2.fillPoly(canvas, [fixed], value, line, _SUB_PIXEL)


def label_map(scene: Scene, field: Field) -> np.ndarray:
    """Index of the structure seen at every pixel.

    Returns:
        uint8 (height, width): 0 for none, otherwise 1 + the index in ``scene.structures``.
    """
    width, height = field.size
    out = np.zeros((height, width), np.uint8)
    for index, item in enumerate(scene.structures):
        matrix = scene.view.matrix(field.radius, field.centre, item.depth)
        fill(out, transform(item.at(scene.plan.progress), matrix), index + 1)
    centre = np.asarray(field.centre)
    for clot in scene.clots:
        fill(out, clot * field.radius + centre, 0)
    for instrument in scene.instruments:
        for part in instrument.outlines:
            fill(out, part * field.radius + centre, 0)
    disc = np.zeros_like(out)
    fixed = [round(v * (1 << _SUB_PIXEL)) for v in (*field.centre, field.radius * 0.985)]
    cv2.circle(disc, fixed[:2], fixed[2], 1, -1, cv2.LINE_8, _SUB_PIXEL)
    return out * disc


def _clots(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Opaque blood clots: mostly none, sometimes one or two."""
    out = []
    for _ in range(int(rng.choice([0, 1, 2], p=[0.7, 0.22, 0.08]))):
        theta = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        radius = np.ones(48)
        for k in range(2, 7):
            radius += rng.normal(0, 0.3 / k) * np.cos(k * theta + rng.uniform(0, 2 * np.pi))
        size = rng.uniform(0.07, 0.2)
        shape = np.stack([np.cos(theta), np.sin(theta) * rng.uniform(0.5, 1)], 1) * radius[:, None]
        out.append(shape * size + rng.uniform(-0.6, 0.6, 2))
    return tuple(out)


def draw_scene(seed: int, plan: FramePlan, style: PatientStyle, size: tuple[int, int],
               family: str | None = None) -> Scene:
    """Draw a frame's scene; every planned structure is visible wherever a view allows it.

    Args:
        seed: Seed of the data set.
        plan: What the frame has to show.
        style: The patient's style.
        size: (width, height) of the image.
        family: Of :data:`.families.FAMILIES`; None for the plain anatomy.
    """
    anatomy = patient_anatomy(seed, plan.patient)
    anatomy = FAMILIES[family].anatomy(anatomy) if family else anatomy
    structures = tuple(item for item in anatomy if item.slot < plan.counts[item.label])
    choice = stream(seed, plan.patient, plan.frame, 'decoys')
    decoys = tuple(item for item in patient_decoys(seed, plan.patient) if choice.random() < 0.6)
    # The scouting raster does not depend on the size, so that every size has the same content.
    scout = image_field((_SCOUT * size[0] // min(size), _SCOUT * size[1] // min(size)), style)
    best, best_share = None, -1.0
    for attempt in range(_ATTEMPTS):
        rng = stream(seed, plan.patient, plan.frame, f'scene {attempt}')
        view = draw_view(seed, plan.patient, rng)
        instruments = draw_instrument(rng, style.channel)
        clots = _clots(rng)
        if attempt >= _ATTEMPTS - 8:  # hard to satisfy: give up what stands in front
            instruments, clots = (), ()
        scene = Scene(plan, view, structures, decoys, instruments, clots)
        if not structures:
            return scene
        seen = np.bincount(label_map(scene, scout).ravel(), minlength=len(structures) + 1)[1:]
        share = seen.min() / (scout.size[0] * scout.size[1])
        if share >= MIN_VISIBLE:
            return scene
        if share > best_share:
            best, best_share = scene, share
    return best
