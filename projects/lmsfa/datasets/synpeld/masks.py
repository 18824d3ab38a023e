"""From a map of visible structures to polygons that LabelMe can hold."""

from __future__ import annotations

import cv2
import numpy as np

SIMPLIFY = 0.6
"""Tolerance of the simplified outline in pixels."""


def _without_holes(mask: np.ndarray, smallest: int) -> list[np.ndarray]:
    """Cut a part until no piece has a hole of ``smallest`` pixels: polygons have none."""
    outlines, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    holes = [outlines[i] for i in range(len(outlines)) if tree[0][i][3] >= 0]
    holes = [hole for hole in holes if cv2.contourArea(hole) >= smallest]
    if not holes:
        return [mask]
    x, _, width, _ = cv2.boundingRect(max(holes, key=cv2.contourArea))
    cut = x + width // 2
    pieces = []
    for columns in (slice(0, cut), slice(cut, None)):
        side = np.zeros_like(mask)
        side[:, columns] = mask[:, columns]
        count, labels = cv2.connectedComponents(side, connectivity=4)
        for index in range(1, count):
            part = (labels == index).astype(np.uint8)
            if int(part.sum()) >= smallest:
                pieces += _without_holes(part, smallest)
    return pieces


def _edge(mask: np.ndarray) -> np.ndarray:
    """Outline along the outer edges of a part's pixels, pixel i covering [i, i + 1)."""
    fine = cv2.resize(mask, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    outlines, _ = cv2.findContours(fine, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = (max(outlines, key=cv2.contourArea) + 1) // 2
    return cv2.approxPolyDP(outline.astype(np.float32), SIMPLIFY, True)[:, 0].astype(np.float64)


def polygons(mask: np.ndarray, smallest: int) -> list[np.ndarray]:
    """Outline every visible part of an instance.

    Args:
        mask: uint8 or bool (height, width), nonzero where the instance is seen.
        smallest: Parts and holes of fewer pixels are left out.

    Returns:
        float (N, 2) polygons with N >= 3 in continuous pixel coordinates (pixel i covers
        [i, i + 1)), largest first; empty when no part is large enough.
    """
    mask = mask.astype(np.uint8)
    x, y, width, height = cv2.boundingRect(mask)
    if width == 0:
        return []
    crop = np.pad(mask[y:y + height, x:x + width], 1)
    crop = cv2.morphologyEx(crop, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(crop, connectivity=4)
    found = []
    for index in range(1, count):
        if stats[index, cv2.CC_STAT_AREA] < smallest:
            continue
        for piece in _without_holes((labels == index).astype(np.uint8), smallest):
            outline = _edge(piece) + np.array([x - 1, y - 1])
            if len(outline) >= 3:
                found.append((int(piece.sum()), outline))
    return [outline for _, outline in sorted(found, key=lambda item: -item[0])]
