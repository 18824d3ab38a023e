"""Draw one frame: picture and visible instances.

The tissue is drawn on a square raster of the field of view, coarser than the image, since an
endoscope's picture is soft; labels, rim and sensor noise are drawn at the image's own size.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from . import artefacts
from .anatomy import transform
from .families import FAMILIES
from .masks import polygons
from .noise import value_noise
from .plan import FramePlan, plan_patient
from .scene import DROP_BELOW, Field, Scene, draw_scene, fill, image_field, label_map
from .seeding import stream
from .shading import Lamp
from .style import PatientStyle, patient_style
from .texture import BACKGROUND, GLOSS, patient_textures, texture_matrix

DETAIL = 0.6
"""Pixels of the tissue raster for each pixel of the image."""

_SMALLEST_RASTER = 256


@dataclass(frozen=True)
class Instance:
    """One visible instance.

    Attributes:
        label: Class name.
        polygons: float (N, 2) outlines of its visible parts, largest first, x and y in pixels.
    """

    label: str
    polygons: list[np.ndarray]


def _style(seed: int, patient: int, family: str | None) -> PatientStyle:
    style = patient_style(seed, patient)
    return FAMILIES[family].style(style) if family else style


@lru_cache(maxsize=2)
def _patient(seed: int, patient: int, frames: int, family: str | None):
    """Plans, style and textures of a patient, kept for its next frame."""
    return (plan_patient(seed, patient, frames), _style(seed, patient, family),
            patient_textures(seed, patient))


@lru_cache(maxsize=2)
def _lamp(side: int, style: PatientStyle) -> Lamp:
    return Lamp(side, style)


def _raster(field: Field) -> tuple[Field, tuple[int, int], int]:
    """Tissue raster of a field of view: the raster, its corner and side in image pixels."""
    side = 2 * int(np.ceil(field.radius))
    corner = tuple(round(c - side / 2 + 0.5) for c in field.centre)
    cells = min(side, max(round(side * DETAIL), _SMALLEST_RASTER))
    centre = (field.centre[0] - corner[0], field.centre[1] - corner[1])
    crop = Field((side, side), centre, field.radius)
    return crop.scaled(cells / side), corner, side


def _reach(mask: np.ndarray, margin: float) -> tuple[slice, slice] | None:
    """Rows and columns of a mask and ``margin`` pixels around it; None for an empty mask."""
    x, y, width, height = cv2.boundingRect(mask)
    if not width:
        return None
    margin = int(np.ceil(margin)) + 2
    return (slice(max(0, y - margin), min(mask.shape[0], y + height + margin)),
            slice(max(0, x - margin), min(mask.shape[1], x + width + margin)))


def _tissue(scene: Scene, textures: dict[str, np.ndarray], raster: Field, lamp: Lamp) -> np.ndarray:
    """Compose the structures back to front and light them; float32 (n, n, 3)."""
    n = raster.size[0]
    back_to_plane = np.vstack([texture_matrix(), [0, 0, 1]])

    def warped(name: str, matrix: np.ndarray) -> np.ndarray:
        return cv2.warpAffine(textures[name], matrix @ back_to_plane, (n, n),
                              flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)

    layer = warped(BACKGROUND, scene.view.matrix(raster.radius, raster.centre, 0.0))
    gloss = np.full((n, n), GLOSS[BACKGROUND], np.float32)
    ground = np.zeros((n, n), np.float32)
    zoom = scene.view.zoom
    for item in (*scene.decoys, *scene.structures):
        matrix = scene.view.matrix(raster.radius, raster.centre, item.depth)
        mask = np.zeros((n, n), np.uint8)
        fill(mask, transform(item.at(scene.plan.progress), matrix), 255, smooth=True)
        # Structures end in a soft, low-contrast border and darken what lies below them.
        border, shadow = max(0.6, item.softness * zoom * n / 4), n * 0.018
        part = _reach(mask, 4 * max(border, shadow, n / 110))
        if part is None:
            continue
        above = warped(item.label, matrix)[part]
        mask = mask[part]
        soft = cv2.GaussianBlur(mask, (0, 0), border)
        weight = soft.astype(np.float32) / 255
        occlusion = cv2.GaussianBlur(mask, (0, 0), shadow).astype(np.float32) / 255
        layer[part][..., :3] *= (1 - 0.30 * occlusion * (1 - weight))[..., None]
        inside = cv2.distanceTransform((soft > 127).astype(np.uint8), cv2.DIST_L2, 3)
        reach = item.relief * 2.0 * zoom * n / 2
        profile = 1 - np.clip(inside / reach, 0, 1)
        profile = cv2.GaussianBlur(1 - profile * profile, (0, 0), n / 110)
        layer[part] += (above - layer[part]) * weight[..., None]
        below = ground[part]
        ground[part] += (item.relief * zoom * profile + 0.7 * below - below) * weight
        gloss[part] += (GLOSS[item.label] - gloss[part]) * weight
    height = ground + zoom * layer[..., 3]
    return lamp.shade(np.ascontiguousarray(layer[..., :3]), height, gloss)


def _draw_clots(picture: np.ndarray, scene: Scene, rng: np.random.Generator) -> None:
    """Opaque, dark, glossy clots."""
    n = picture.shape[0]
    for clot in scene.clots:
        mask = np.zeros((n, n), np.uint8)
        fill(mask, (clot + 1) * (n / 2) - 0.5, 255, smooth=True)
        cover = cv2.GaussianBlur(mask, (0, 0), n / 200).astype(np.float32)[..., None] / 255
        lump = value_noise(rng, (n, n), 40)[..., None]
        colour = np.array([0.05, 0.035, 0.30], np.float32) * (1 + 0.25 * lump)
        colour = colour + 0.5 * np.clip(lump - 1.9, 0, 1)
        picture += (colour - picture) * cover


def _develop(picture: np.ndarray, style: PatientStyle) -> np.ndarray:
    """Exposure, white balance, saturation and tone curve; uint8 (n, n, 3)."""
    gains = np.asarray(style.gains, np.float32) * np.float32(style.exposure)
    picture = picture * gains
    grey = picture.mean(2, keepdims=True)
    picture = grey + (picture - grey) * np.float32(style.saturation)
    # A shoulder keeps bright tissue from clipping; highlights still reach white.
    np.maximum(picture, 0, out=picture)
    shoulder = 0.75 + 0.25 * np.tanh((picture - 0.75) * 3.2)
    picture = np.where(picture > 0.75, shoulder, picture)
    table = (np.linspace(0, 1, 1024) ** style.gamma * 255).round().astype(np.uint8)
    return table[np.minimum(picture * 1023, 1023).astype(np.int16)]


def _compose(frame: np.ndarray, field: Field, corner, side: int, style: PatientStyle,
             rng: np.random.Generator) -> np.ndarray:
    """Put the field of view into the dark image and add rim, mark and sensor noise."""
    width, height = field.size
    x0, y0 = corner
    left, top = max(x0, 0), max(y0, 0)
    right, bottom = min(x0 + side, width), min(y0 + side, height)
    image = np.empty((height, width, 3), np.uint8)
    image[:] = np.round(style.black).astype(np.uint8)
    rim = np.zeros((bottom - top, right - left), np.uint8)
    width_rim = style.rim * field.radius
    middle = (field.centre[0] - left, field.centre[1] - top)
    fixed = [int(round(v * 16)) for v in (*middle, field.radius - width_rim)]
    cv2.circle(rim, fixed[:2], fixed[2], 255, -1, cv2.LINE_AA, 4)
    rim = cv2.boxFilter(rim, -1, (2 * round(width_rim) + 1,) * 2)
    if style.notch is not None:
        axis = np.array([np.cos(style.notch), np.sin(style.notch)])
        normal = np.array([-axis[1], axis[0]])
        mark = np.array([axis * 0.93, axis * 1.1 + normal * 0.09, axis * 1.1 - normal * 0.09])
        fill(rim, mark * field.radius + np.asarray(middle), 0, smooth=True)
    crop = frame[top - y0:bottom - y0, left - x0:right - x0]
    weight = cv2.merge([rim, rim, rim])
    place = image[top:bottom, left:right]
    lit = cv2.multiply(crop, weight, scale=1 / 255)
    dark = cv2.multiply(place, cv2.bitwise_not(weight), scale=1 / 255)
    image[top:bottom, left:right] = cv2.add(lit, dark)
    # One tile of noise, rolled: sensor noise need not be new at every pixel.
    tile = rng.normal(128, style.noise, (96, 131, 3)).round().clip(0, 255).astype(np.uint8)
    repeats = (-(-height // 96), -(-width // 131), 1)
    noise = np.tile(tile, repeats)[:height, :width]
    return cv2.addWeighted(image, 1.0, noise, 1.0, -128.0)


def _instances(scene: Scene, field: Field) -> list[Instance]:
    """Outlines of what is seen of every structure."""
    labels = label_map(scene, field)
    area = field.size[0] * field.size[1]
    counts = np.bincount(labels.ravel(), minlength=len(scene.structures) + 1)
    smallest = max(12, round(area * 1.5e-4))
    out = []
    for index, item in enumerate(scene.structures):
        if counts[index + 1] < DROP_BELOW * area:
            continue
        found = polygons(labels == index + 1, smallest)
        if found:
            out.append(Instance(item.label, found))
    return out


def render_frame(seed: int, patient: int, frame: int, size: tuple[int, int] = (1080, 720),
                 frames: int = 10, family: str | None = None
                 ) -> tuple[np.ndarray, list[Instance]]:
    """Draw one frame.

    The result depends on the arguments alone, not on which frames were drawn before.

    Args:
        seed: Seed of the data set, >= 0.
        patient: Patient number, from 1.
        frame: Frame number, 1 to ``frames``.
        size: (width, height) of the image in pixels, both at least 96.
        frames: Frames of each patient; the plan of a frame depends on it.
        family: Of :data:`.families.FAMILIES`; None for the plain optics and anatomy.

    Returns:
        image: uint8 (height, width, 3), BGR.
        instances: Visible instances, back to front.

    Raises:
        ValueError: If a number is out of range.
    """
    if not 1 <= frame <= frames:
        raise ValueError(f'frame {frame} is not in 1..{frames}')
    if min(size) < 96:
        raise ValueError(f'size {size[0]}x{size[1]} is too small; use at least 96x96')
    # Patients are drawn in parallel by processes; threads inside would only compete with them.
    cv2.setNumThreads(1)
    plans, style, textures = _patient(seed, patient, frames, family)
    plan: FramePlan = plans[frame - 1]
    field = image_field(size, style)
    scene = draw_scene(seed, plan, style, size, family)
    raster, corner, side = _raster(field)
    lamp = _lamp(raster.size[0], style)
    rng = stream(seed, patient, frame, 'picture')
    conditions = artefacts.draw_conditions(rng)
    picture = _tissue(scene, textures, raster, lamp)
    if conditions.blood > 0:
        artefacts.add_blood(picture, rng, conditions.blood)
    _draw_clots(picture, scene, rng)
    for instrument in scene.instruments:
        lamp.draw_instrument(picture, rng, instrument)
    artefacts.apply_artefacts(picture, rng, conditions)
    artefacts.add_bloom(picture)
    picture = artefacts.blur(picture, style.blur * raster.size[0] / 720, conditions)
    frame_ = cv2.resize(_develop(picture, style), (side, side), interpolation=cv2.INTER_CUBIC)
    if style.sharpen > 0.1:
        soft = cv2.GaussianBlur(frame_, (0, 0), max(0.8, side / 500))
        frame_ = cv2.addWeighted(frame_, 1 + style.sharpen, soft, -style.sharpen, 0)
    image = _compose(frame_, field, corner, side, style, rng)
    return image, _instances(scene, field)


def jpeg_quality(seed: int, patient: int, family: str | None = None) -> int:
    """JPEG quality of a patient's images, 0 to 100."""
    return _style(seed, patient, family).quality
