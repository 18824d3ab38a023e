"""Pictures of a data set: histograms of classes, sizes and positions; overlays of annotations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from medseg.io import write_bytes
from medseg.runtime.labels import draw_labels
from medseg.runtime.palette import class_colors

from .coco_file import annotation_mask

POSITION_BINS = 24
"""Cells of the position maps along each side."""

SIZE_BINS = 30


def instance_table(content: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Size and position of every annotation, by class name.

    Args:
        content: COCO content.

    Returns:
        For each class an array of shape (N, 3): side of the square of equal area, as a part of the
        square root of the image's area; x and y of the middle of the box, as parts of its sides.
    """
    sizes = {item['id']: (item['width'], item['height']) for item in content['images']}
    names = {item['id']: str(item['name']) for item in content['categories']}
    rows: dict[str, list] = {name: [] for name in names.values()}
    for annotation in content['annotations']:
        width, height = sizes[annotation['image_id']]
        x, y, box_width, box_height = annotation['bbox']
        rows[names[annotation['category_id']]].append((
            (max(annotation['area'], 0) / (width * height)) ** 0.5,
            (x + box_width / 2) / width, (y + box_height / 2) / height))
    return {name: np.array(values, dtype=float).reshape(-1, 3) for name, values in rows.items()}


def draw_statistics(subsets: Mapping[str, Mapping[str, Any]]) -> np.ndarray:
    """Histograms of a data set.

    Args:
        subsets: COCO content by subset name.

    Returns:
        RGB picture of shape (H, W, 3), uint8: instances of each class in each subset, sizes of
        all instances by class, and a map of positions for each class.
    """
    tables = {subset: instance_table(content) for subset, content in subsets.items()}
    names = list(dict.fromkeys(name for table in tables.values() for name in table))
    colors = [tuple(channel / 255 for channel in color) for color in class_colors(names)]
    columns = max(2, min(len(names), 4))
    rows = 1 + -(-len(names) // columns)
    figure = Figure(figsize=(3.6 * columns, 3.2 * rows), dpi=100, layout='constrained')
    canvas = FigureCanvasAgg(figure)
    grid = figure.add_gridspec(rows, columns)

    axes = figure.add_subplot(grid[0, :columns // 2])
    width = 0.8 / len(tables)
    for index, (subset, table) in enumerate(tables.items()):
        counts = [len(table.get(name, ())) for name in names]
        axes.bar(np.arange(len(names)) + index * width, counts, width, label=subset)
    axes.set_xticks(np.arange(len(names)) + 0.4 - width / 2, names, rotation=15)
    axes.set_ylabel('instances')
    axes.legend()

    axes = figure.add_subplot(grid[0, columns // 2:])
    together = {name: np.concatenate([table[name] for table in tables.values() if name in table])
                for name in names}
    for name, color in zip(names, colors, strict=True):
        axes.hist(together[name][:, 0], bins=SIZE_BINS, range=(0, 1), histtype='step', color=color,
                  label=name)
    axes.set_xlabel('size: √(area / image area)')
    axes.set_ylabel('instances')
    axes.set_yscale('symlog')
    axes.legend()

    for index, name in enumerate(names):
        axes = figure.add_subplot(grid[1 + index // columns, index % columns])
        heat, _, _ = np.histogram2d(together[name][:, 2], together[name][:, 1],
                                    bins=POSITION_BINS, range=((0, 1), (0, 1)))
        axes.imshow(heat, extent=(0, 1, 1, 0), cmap='magma')
        axes.set_title(f'{name}: middle of the box')
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def draw_annotations(pixels: np.ndarray, annotations: Sequence[Mapping[str, Any]],
                     names: Mapping[int, str], opacity: float = 0.4,
                     colors: Sequence[Sequence[int]] | None = None) -> np.ndarray:
    """Draws masks, their outlines, class names and, of predictions, scores over an image.

    Args:
        pixels: RGB image of shape (H, W, 3), uint8.
        annotations: COCO annotations of the image, polygons or RLE; ``score`` is written where
            there is one.
        names: Class name by category id, in the order of the classes.
        opacity: Of the masks, from 0 to 1.
        colors: RGB of each class, in the order of ``names``.

    Returns:
        RGB image of the same shape.
    """
    colors = dict(zip(names, colors or class_colors(list(names.values())), strict=True))
    height, width = pixels.shape[:2]
    canvas = pixels.copy()
    thickness = max(1, round(min(height, width) / 300))
    # large ones first, so that small ones on them stay visible
    for annotation in sorted(annotations, key=lambda item: -item['area']):
        color = tuple(colors[annotation['category_id']])
        mask = annotation_mask(annotation, height, width)
        canvas[mask] = (canvas[mask] * (1 - opacity) + np.array(color) * opacity).astype(np.uint8)
        outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP,
                                       cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(canvas, outlines, -1, color, thickness)
    texts, boxes = [], []
    for annotation in annotations:
        # where classes are few the colour says it all
        words = [names[annotation['category_id']]] if len(names) > 1 else []
        if 'score' in annotation:
            words.append(f'{annotation["score"]:.2f}')
        x, y, box_width, box_height = annotation['bbox']
        texts.append(' '.join(words))
        boxes.append((x, y, x + box_width, y + box_height))
    draw_labels(canvas, texts, np.array(boxes))
    return canvas


def tile(pictures: Sequence[np.ndarray], side: int) -> np.ndarray:
    """Pictures in a grid as square as possible, each fitted into a square of ``side`` pixels.

    Args:
        pictures: RGB images of shape (H, W, 3), uint8, at least one.
        side: In pixels.
    """
    columns = int(np.ceil(np.sqrt(len(pictures))))
    rows = -(-len(pictures) // columns)
    grid = np.full((rows * side, columns * side, 3), 255, np.uint8)
    for number, picture in enumerate(pictures):
        factor = side / max(picture.shape[:2])
        size = [max(1, round(length * factor)) for length in picture.shape[1::-1]]
        top, left = number // columns * side, number % columns * side
        grid[top:top + size[1], left:left + size[0]] = cv2.resize(picture, size)
    return grid


def write_png(path, pixels: np.ndarray) -> None:
    """Writes an RGB image of shape (H, W, 3), uint8, under a temporary name and renames it.

    Args:
        path: Target; its folder is created, its name need not be ASCII.
        pixels: The image.

    Raises:
        OSError: the target cannot be written.
    """
    _write(path, pixels, '.png')


def write_jpeg(path, pixels: np.ndarray, quality: int = 88) -> None:
    """As :func:`write_png`, a JPEG: a tenth of the bytes, for pictures in documents."""
    _write(path, pixels, '.jpg', [cv2.IMWRITE_JPEG_QUALITY, quality])


def _write(path, pixels: np.ndarray, ending: str, settings: Sequence[int] = ()) -> None:
    done, data = cv2.imencode(ending, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), settings)
    if not done:
        raise OSError(f'{path}: cannot be encoded as {ending}')
    write_bytes(path, data.tobytes())
