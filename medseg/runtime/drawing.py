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
        x1, y1, x2, y2 = _window(found.boxes[i], image.shape)
        mask = np.ascontiguousarray(found.masks[i, y1:y2, x1:x2]).view(np.uint8)
        if not mask.any():
            continue
        color = tuple(colors[found.labels[i]])[::-1]
        region = canvas[y1:y2, x1:x2]
        tint = cv2.addWeighted(region, 1 - opacity, np.full_like(region, color), opacity, 0)
        cv2.copyTo(tint, mask, region)
        outline, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(canvas, outline, -1, color, thickness, offset=(x1, y1))
    if labels:
        draw_labels(canvas, [f'{class_names[label]} {score:.2f}' for label, score in
                             zip(found.labels, found.scores, strict=True)], found.boxes)
    return canvas


def _window(box: np.ndarray, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Whole pixels around a box, inside the image."""
    x1, y1 = np.floor(box[:2]).astype(int)
    x2, y2 = np.ceil(box[2:]).astype(int)
    return max(x1, 0), max(y1, 0), min(x2, shape[1]), min(y2, shape[0])
