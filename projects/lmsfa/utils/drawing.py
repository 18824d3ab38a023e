"""Draw instance masks on images."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

#: The paper's colours by class name, RGB: purple, red, yellow, green.
PELD_PALETTE = {
    'adipose tissue': (160, 32, 240),
    'bone': (220, 20, 60),
    'ligamentum flavum': (255, 215, 0),
    'nerve': (0, 200, 80),
}


def class_colours(names: Sequence[str]) -> list[tuple[int, int, int]]:
    """A BGR colour for each class: the paper's where it has one, else spread over the hues."""
    colours = []
    for i, name in enumerate(names):
        if name in PELD_PALETTE:
            colours.append(PELD_PALETTE[name][::-1])
        else:
            hue = np.array([[[int(180 * ((0.33 + 0.618 * i) % 1)), 200, 230]]], np.uint8)
            colours.append(tuple(int(v) for v in cv2.cvtColor(hue, cv2.COLOR_HSV2BGR)[0, 0]))
    return colours


def read_image(path: Path) -> np.ndarray:
    """Read an image as BGR, (H, W, 3) uint8, also from a path that is not ASCII.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not an image.
    """
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such image')
    image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f'{path}: not a readable image')
    return image


def write_image(path: Path, image: np.ndarray) -> None:
    """Write an image under a temporary name and rename it.

    Raises:
        ValueError: If the format of the file name's ending is unknown.
    """
    ok, data = cv2.imencode(path.suffix, image)
    if not ok:
        raise ValueError(f'{path}: cannot write images of this type')
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + '.part')
    part.write_bytes(data.tobytes())
    part.replace(path)


def draw_masks(image: np.ndarray, masks: Sequence[np.ndarray], colours: Sequence[tuple],
               labels: Sequence[str] = (), alpha: float = 0.4) -> np.ndarray:
    """Blend masks over an image and outline them.

    Args:
        image (np.ndarray): BGR, (H, W, 3) uint8; not changed.
        masks (Sequence[np.ndarray]): Masks of (H, W), non-zero inside.
        colours (Sequence[tuple]): BGR colour of each mask.
        labels (Sequence[str]): Text of each mask, written at its centre; none when empty.
        alpha (float): Opacity of the fill, 0 to 1.

    Returns:
        np.ndarray: The drawing, (H, W, 3) uint8.
    """
    out = image.copy()
    width = max(1, round(min(image.shape[:2]) / 300))
    for mask, colour in zip(masks, colours, strict=True):
        inside = np.asarray(mask, bool)
        out[inside] = ((1 - alpha) * out[inside] + alpha * np.array(colour)).astype(np.uint8)
        contours, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_EXTERNAL,
                                       cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(out, contours, -1, colour, width, cv2.LINE_AA)
    size = min(image.shape[:2]) / 900
    for mask, label in zip(masks, labels, strict=False):
        rows, cols = np.nonzero(mask)
        if len(rows):
            (text_w, _), _ = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
            at = (int(cols.mean()) - text_w // 2, int(rows.mean()))
            cv2.putText(out, label, at, cv2.FONT_HERSHEY_SIMPLEX, size, (0, 0, 0), 3, cv2.LINE_AA)
            cv2.putText(out, label, at, cv2.FONT_HERSHEY_SIMPLEX, size, (255,) * 3, 1, cv2.LINE_AA)
    return out
