"""Corruptions of endoscopy at five severities, from SynPELD's own artefacts; a registered suite."""
from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from medseg.data.corruptions import register

from . import artefacts
from .noise import fbm, smoothstep, value_noise

SUITE = 'endoscopy'
#: Strength of an artefact, 0 to 1, by severity.
STRENGTH = (0.25, 0.45, 0.65, 0.85, 1.0)


def field_of_view(image: np.ndarray) -> np.ndarray:
    """Where light comes from: 1 in the round field of an endoscope, 0 in the black around it.

    An image without such a field, also a dark one with bright objects, is all field.

    Args:
        image: BGR uint8 (H, W, 3).

    Returns:
        np.ndarray: float32 (H, W), 0 or 1.
    """
    height, width = image.shape[:2]
    whole = np.ones((height, width), np.float32)
    lit = (image.max(axis=2) > 10).astype(np.uint8)
    corners = lit[[0, 0, -1, -1], [0, -1, 0, -1]]
    if corners.any() or not lit.any():
        return whole
    contours, _ = cv2.findContours(lit, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    (x, y), radius = cv2.minEnclosingCircle(cv2.convexHull(np.vstack(contours)))
    disc = np.zeros((height, width), np.uint8)
    cv2.circle(disc, (round(x), round(y)), round(radius), 1, -1)
    # An endoscope's field is filled; scattered bright objects only span such a disc.
    return disc.astype(np.float32) if lit[disc > 0].mean() > 0.85 else whole


def _in_place(artefact: Callable, image: np.ndarray, severity: int, rng: np.random.Generator
              ) -> np.ndarray:
    """Run an artefact, made for a square picture of the field, on an image of any shape."""
    picture, put_back = _square(image)
    picture /= 255
    artefact(picture, rng, STRENGTH[severity - 1])
    return put_back(picture * 255)


def _square(image: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """The square around the field of view, float32, its border drawn on where it leaves the image;
    and what puts a changed square back into the image."""
    rows, columns = (np.flatnonzero(field_of_view(image).any(axis)) for axis in (1, 0))
    n = int(max(np.ptp(rows), np.ptp(columns))) + 1
    top, left = (int(line[0] + line[-1] + 1 - n) // 2 for line in (rows, columns))
    # Two squares of side n need a border of n at most.
    framed = cv2.copyMakeBorder(image, n, n, n, n, cv2.BORDER_REPLICATE).astype(np.float32)
    place = (slice(top + n, top + 2 * n), slice(left + n, left + 2 * n))

    def put_back(changed: np.ndarray) -> np.ndarray:
        framed[place] = changed
        return _inside(image, framed[n:-n, n:-n])

    return framed[place].copy(), put_back


def _inside(image: np.ndarray, changed: np.ndarray) -> np.ndarray:
    """The change inside the field of view, the image itself around it."""
    field = field_of_view(image)[..., None]
    mixed = field * changed + (1 - field) * image
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


for _name, _artefact in (('blood', artefacts.add_blood), ('irrigation', artefacts.add_fluid),
                         ('bubbles', artefacts.add_bubbles), ('smoke', artefacts.add_smoke),
                         ('bone_dust', artefacts.add_dust), ('glare', artefacts.add_glare)):
    @register(SUITE, _name)
    def _(image, severity, rng, artefact=_artefact):
        return _in_place(artefact, image, severity, rng)


@register(SUITE, 'dirty_lens')
def dirty_lens(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Smears on the lens: blurred and slightly lighter patches."""
    shape, side = image.shape[:2], max(image.shape[:2])
    level = 1.5 - 1.3 * STRENGTH[severity - 1]
    smear = smoothstep(fbm(rng, shape, 3, 3, 0.6), level, level + 0.8)[..., None]
    picture = image.astype(np.float32)
    blurred = cv2.GaussianBlur(picture, (0, 0), side / 60) + 12
    return _inside(image, picture + smear * (blurred - picture))


@register(SUITE, 'fogged_lens')
def fogged_lens(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Condensation: blur and a pale veil over the whole field, thicker in places."""
    strength, side = STRENGTH[severity - 1], max(image.shape[:2])
    picture = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 0.5 + strength * side / 120)
    veil = 0.6 * strength * (0.8 + 0.2 * value_noise(rng, image.shape[:2], 3))[..., None]
    return _inside(image, picture + np.clip(veil, 0, 0.9) * (170 - picture))


@register(SUITE, 'defocus')
def defocus(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """The tissue is out of focus."""
    sigma = STRENGTH[severity - 1] * max(image.shape[:2]) / 100
    return _inside(image, cv2.GaussianBlur(image.astype(np.float32), (0, 0), max(sigma, 0.3)))


@register(SUITE, 'motion_blur')
def motion_blur(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """The scope moves during the exposure."""
    conditions = artefacts.Conditions(
        **dict.fromkeys(('blood', 'fluid', 'bubbles', 'smoke', 'dust', 'glare', 'defocus'), 0.0),
        motion=STRENGTH[severity - 1], motion_angle=float(rng.uniform(0, np.pi)))
    picture, put_back = _square(image)
    return put_back(artefacts.blur(picture, 0.0, conditions))


@register(SUITE, 'vignette')
def vignette(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Light falls off towards one side of the field."""
    height, width = image.shape[:2]
    x, y = rng.uniform(-0.3, 0.3, 2)
    u = np.linspace(-1, 1, width, dtype=np.float32)[None] - x
    v = np.linspace(-1, 1, height, dtype=np.float32)[:, None] - y
    fall = 1 - np.clip(STRENGTH[severity - 1] * (u ** 2 + v ** 2), 0, 0.95)
    return _inside(image, image * fall[..., None])


@register(SUITE, 'exposure')
def exposure(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Too dark or too bright, by up to two stops; what is clipped is lost."""
    stops = 2.0 * STRENGTH[severity - 1] * rng.choice([-1, 1])
    linear = (image.astype(np.float32) / 255) ** 2.2
    return _inside(image, np.clip(linear * 2 ** stops, 0, 1) ** (1 / 2.2) * 255)


@register(SUITE, 'colour_cast')
def colour_cast(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """A wrong white balance."""
    direction = rng.normal(size=3)
    direction -= direction.mean()
    gain = np.exp2(0.8 * STRENGTH[severity - 1] * direction / np.abs(direction).max())
    return _inside(image, image * gain.astype(np.float32))


@register(SUITE, 'low_resolution')
def low_resolution(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """A camera with fewer pixels."""
    height, width = image.shape[:2]
    factor = (1.5, 2, 3, 4, 6)[severity - 1]
    small = cv2.resize(image, (max(1, round(width / factor)), max(1, round(height / factor))),
                       interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


@register(SUITE, 'compression')
def compression(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """What a capture card leaves: coarse JPEG."""
    quality = (40, 25, 15, 9, 5)[severity - 1]
    ok, data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert ok, 'OpenCV could not encode a JPEG'
    return cv2.imdecode(data, cv2.IMREAD_COLOR)
