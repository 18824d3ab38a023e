"""Pictures of a case: three planes with contours, and one offline page to scroll through it."""
from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import cv2
import jinja2
import nibabel
import numpy as np

from medseg.io import write_bytes, write_text
from medseg.runtime.palette import class_colors

from .datasets.volume_file import Volume

#: Plane: the axis that it is perpendicular to, in RAS order.
PLANES = {'sagittal': 0, 'coronal': 1, 'axial': 2}


def to_ras(array: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An array with its axes to the right, to the front, upwards, and its spacing in mm."""
    turn = nibabel.orientations.io_orientation(affine)
    turned = nibabel.orientations.apply_orientation(array, turn)
    spacing = np.empty(3)
    spacing[turn[:, 0].astype(int)] = np.linalg.norm(affine[:3, :3], axis=0)
    return turned, spacing


def grey_levels(channel: np.ndarray) -> np.ndarray:
    """A channel as uint8, from its 1st to its 99.5th percentile above 0."""
    values = channel[channel > channel.min()]
    low, high = np.percentile(values, [1, 99.5]) if len(values) else (0, 1)
    return np.clip((channel - low) * (255 / max(high - low, 1e-6)), 0, 255).astype(np.uint8)


def draw_slice(grey: np.ndarray, labels: np.ndarray, colors: Sequence[tuple[int, int, int]],
               pixel: tuple[float, float], height: int = 360) -> np.ndarray:
    """One slice with the contour and a tint of each label, BGR uint8.

    Args:
        grey: uint8 (A, B), axes to the right or front, and to the front or upwards.
        labels: Of the same shape.
        colors: RGB by label value; value 0 is not drawn.
        pixel: Size of a voxel in mm along both axes.
        height: Of the picture in pixels.
    """
    scale = height / (grey.shape[1] * pixel[1])
    size = (max(1, round(grey.shape[0] * pixel[0] * scale)), height)
    # The vertical axis of a picture points down.
    canvas = cv2.cvtColor(cv2.resize(np.ascontiguousarray(grey.T[::-1]), size,
                                     interpolation=cv2.INTER_LINEAR), cv2.COLOR_GRAY2BGR)
    for value in np.unique(labels):
        if value == 0 or value >= len(colors):
            continue
        mask = cv2.resize((labels.T[::-1] == value).astype(np.uint8), size,
                          interpolation=cv2.INTER_NEAREST)
        color = tuple(int(c) for c in colors[value][::-1])
        tint = canvas[mask > 0].astype(float) * 0.7 + np.array(color) * 0.3
        canvas[mask > 0] = tint.astype(np.uint8)
        contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(canvas, contours, -1, color, 1, cv2.LINE_AA)
    return canvas


def slices(image: Volume, labels: np.ndarray, colors: Sequence[tuple[int, int, int]],
           channel: int = 0, most: int = 64) -> dict[str, list[np.ndarray]]:
    """Pictures by plane, at most ``most`` evenly spaced slices each."""
    array = image.array if image.array.ndim == 3 else image.array[..., channel]
    grey, spacing = to_ras(array, image.affine)
    labels, _ = to_ras(labels, image.affine)
    grey = grey_levels(grey)
    found = {}
    for plane, axis in PLANES.items():
        rest = [i for i in range(3) if i != axis]
        count = grey.shape[axis]
        found[plane] = [
            draw_slice(grey.take(i, axis), labels.take(i, axis), colors,
                       (spacing[rest[0]], spacing[rest[1]]))
            for i in np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int))]
    return found


def write_montage(path: Path, image: Volume, labels: np.ndarray, classes: Sequence[str]) -> None:
    """A PNG of the three planes through the middle of what is labelled."""
    colors = [(0, 0, 0), *class_colors(list(classes)[1:])]
    turned, _ = to_ras(labels, image.affine)
    places = np.argwhere(turned > 0)
    middle = places.mean(0).round().astype(int) if len(places) else np.array(turned.shape) // 2
    array = image.array if image.array.ndim == 3 else image.array[..., 0]
    grey, spacing = to_ras(array, image.affine)
    grey = grey_levels(grey)
    planes = []
    for axis in PLANES.values():
        rest = [i for i in range(3) if i != axis]
        planes.append(draw_slice(grey.take(middle[axis], axis), turned.take(middle[axis], axis),
                                 colors, (spacing[rest[0]], spacing[rest[1]])))
    ok, data = cv2.imencode('.png', np.hstack(planes))
    assert ok, 'OpenCV could not encode a PNG'
    write_bytes(path, data.tobytes())


TEMPLATE = jinja2.Environment(autoescape=True).from_string('''<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title><style>
body { background: #111; color: #ddd; font: 16px system-ui, sans-serif; margin: 1.5rem }
main { display: flex; flex-wrap: wrap; gap: 1.5rem } figure { margin: 0 }
img { display: block; height: 360px } input { width: 100% }
.key span { display: inline-block; width: 1em; height: 1em; margin: 0 .4em 0 1.2em }
td, th { padding: .15rem .9rem; text-align: right }
th:first-child, td:first-child { text-align: left }
</style></head><body><h1>{{ title }}</h1>
<p class="key">{% for name, color in key %}<span style="background:{{ color }}"></span>{{ name }}
{% endfor %}</p>
<main>{% for plane, pictures in planes.items() %}<figure>
<figcaption><label for="{{ plane }}">{{ plane }} <output>{{ pictures|length // 2 + 1 }}</output> of
{{ pictures|length }}</label></figcaption>
<img alt="{{ plane }} slice" data-plane="{{ plane }}"
 src="data:image/jpeg;base64,{{ pictures[pictures|length // 2] }}">
<input type="range" id="{{ plane }}" min="0" max="{{ pictures|length - 1 }}"
 value="{{ pictures|length // 2 }}"></figure>{% endfor %}</main>
<h2>Volumes</h2><table><tr><th>class</th><th>voxels</th><th>millilitres</th></tr>
{% for row in volumes %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}
</table>
<script>
const planes = {{ planes|tojson }};
for (const [plane, pictures] of Object.entries(planes)) {
  const image = document.querySelector(`img[data-plane="${plane}"]`);
  const range = document.getElementById(plane);
  const number = range.closest('figure').querySelector('output');
  const show = () => {
    image.src = 'data:image/jpeg;base64,' + pictures[range.value];
    number.value = Number(range.value) + 1;
  };
  range.addEventListener('input', show);
  image.addEventListener('wheel', event => {
    event.preventDefault();
    range.value = Number(range.value) + Math.sign(event.deltaY);
    show();
  }, { passive: false });
}
</script></body></html>
''')


def write_page(path: Path, title: str, image: Volume, labels: np.ndarray, classes: Sequence[str]
               ) -> None:
    """One HTML file that needs nothing else: three planes to scroll through, volumes by class.

    Args:
        path: The file.
        title: Its heading.
        image: The case, whose first channel is shown.
        labels: (X, Y, Z) in the image's space.
        classes: Names by label value.
    """
    colors = [(0, 0, 0), *class_colors(list(classes)[1:])]
    encoded = {}
    for plane, pictures in slices(image, labels, colors).items():
        encoded[plane] = []
        for picture in pictures:
            ok, data = cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, 80])
            assert ok, 'OpenCV could not encode a JPEG'
            encoded[plane].append(base64.b64encode(data).decode())
    per_voxel = abs(np.linalg.det(image.affine[:3, :3])) / 1000
    counts = np.bincount(labels.ravel(), minlength=len(classes))
    write_text(path, TEMPLATE.render(
        title=title, planes=encoded,
        key=[(name, f'rgb{tuple(int(c) for c in color)}')
             for name, color in zip(classes, colors, strict=True)][1:],
        volumes=[(name, f'{count:,}', f'{count * per_voxel:.2f}')
                 for name, count in zip(classes, counts, strict=False)][1:]))
