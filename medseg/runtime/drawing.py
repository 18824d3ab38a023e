"""Instances over a frame: masks, outlines, names."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from .labels import draw_labels

if TYPE_CHECKING:
    from .postprocess import Instances

OPACITY = 0.4


def draw_instances(image: np.ndarray, found: Instances, class_names: Sequence[str],
                   colors: Sequence[Sequence[int]], opacity: float = OPACITY,
                   labels: bool = True) -> np.ndarray:
    """A frame with masks, outlines and class names over it.

    Args:
        image (np.ndarray): BGR, (H, W, 3) uint8.
        found (Instances): Of that image.
        class_names (Sequence[str]): In the order of the labels.
        colors (Sequence[Sequence[int]]): RGB, 0 to 255, in the same order.
        opacity (float): Of the masks, 0 to 1.
        labels (bool): Write class and score.

    Returns:
        np.ndarray: BGR, (H, W, 3) uint8; the input stays as it is.
    """
    canvas = image.copy()
    thickness = max(1, round(min(image.shape[:2]) / 300))
    # Large ones first, so that small ones on them stay visible.
    for i in np.argsort(-found.masks.sum((1, 2)), kind='stable'):
        paint_mask(canvas, found.masks[i], colors[found.labels[i]], opacity, thickness)
    if labels:
        draw_labels(canvas, [f'{class_names[label]} {score:.2f}' for label, score in
                             zip(found.labels, found.scores, strict=True)], found.boxes)
    return canvas


def paint_mask(canvas: np.ndarray, mask: np.ndarray, color: Sequence[int], opacity: float,
               thickness: int, rim: int = 0, box: Sequence[float] | None = None) -> None:
    """Tint a mask and draw its outline, in place.

    Args:
        canvas (np.ndarray): BGR, (H, W, 3) uint8.
        mask (np.ndarray): (H, W) bool.
        color (Sequence[int]): RGB, 0 to 255.
        opacity (float): Of the tint, 0 to 1.
        thickness (int): Of the outline in pixels; 0 for none.
        rim (int): By how much a dark line below the outline is thicker, so that it can be told
            from tissue of its colour.
        box (Sequence[float], optional): x1, y1, x2, y2 of a box that holds all of the mask, whole
            pixels, where it is known.
    """
    if box is None:
        x, y, w, h = cv2.boundingRect(mask.view(np.uint8))
    else:
        x, y, w, h = (int(v) for v in (box[0], box[1], box[2] - box[0], box[3] - box[1]))
    if not w or not h:
        return
    part = np.ascontiguousarray(mask[y:y + h, x:x + w]).view(np.uint8)
    ink = tuple(int(v) for v in color)[::-1]
    if opacity > 0:
        region = canvas[y:y + h, x:x + w]
        color_image = np.empty_like(region, order='C')
        color_image[:] = np.tile(np.uint8(ink), w).reshape(w, 3)  # row by row: five times faster
        tint = cv2.addWeighted(region, 1 - opacity, color_image, opacity, 0)
        cv2.copyTo(tint, part, region)
    if thickness:
        lines, _ = cv2.findContours(part, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        for shade, width in ((((0, 0, 0), thickness + rim),) if rim else ()) + ((ink, thickness),):
            cv2.drawContours(canvas, lines, -1, shade, width, offset=(x, y))
