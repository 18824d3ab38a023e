"""Words beside objects: where they go so that none covers another or leaves the picture."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

FONT = cv2.FONT_HERSHEY_SIMPLEX
#: Free pixels at both ends of a text; letters and their dark rim reach into them.
MARGIN = 4


@dataclass(frozen=True)
class Label:
    """A placed label.

    Attributes:
        text: What is written, shortened where the picture is too narrow.
        index: Position of its object in the input.
        x, y: Upper left corner of its rectangle, whole pixels.
        width, height: Size of the rectangle in pixels, margins included.
    """

    text: str
    index: int
    x: int
    y: int
    width: int
    height: int

    @property
    def rectangle(self) -> tuple[int, int, int, int]:
        """x1, y1, x2, y2 in pixels; the far sides are exclusive."""
        return self.x, self.y, self.x + self.width, self.y + self.height


def font_scale(size: tuple[int, int]) -> float:
    """OpenCV's scale of letters that can be read in a picture of that (height, width)."""
    return min(max(0.45, min(size) / 1400), 2.0)


def text_size(text: str, scale: float) -> tuple[int, int]:
    """Width and height of a label in pixels, margins and descenders included."""
    width, above, below = _extent(text, scale)
    return width + 2 * MARGIN, above + below


def place_labels(texts: Sequence[str], boxes: np.ndarray, size: tuple[int, int],
                 scale: float | None = None,
                 taken: Sequence[Sequence[float]] = ()) -> list[Label]:
    """Where each label goes: inside its box, above, below or beside it, wherever it is free.

    Earlier labels choose first, so give the surest objects first. A label for which there is no
    free place beside its object is left out, as is one of an object that is less than two lines
    high or wide: words on specks hide them. No two labels share a pixel; none leaves the picture.

    Args:
        texts (Sequence[str]): A text for each object; an empty one is not placed.
        boxes (np.ndarray): (n, 4), x1, y1, x2, y2 in pixels; they may leave the picture.
        size (tuple[int, int]): Height and width of the picture.
        scale (float, optional): OpenCV's font scale; :func:`font_scale` by default.
        taken (Sequence): Rectangles x1, y1, x2, y2 that must stay free, such as a panel.

    Returns:
        list[Label]: Those that have a place, in the order of the objects.
    """
    height, width = size
    scale = font_scale(size) if scale is None else scale
    occupied = [np.asarray(area, np.float64) for area in taken]
    placed: list[Label] = []
    visible = np.clip(np.asarray(boxes, np.float64).reshape(-1, 4), 0,
                      [width, height, width, height])
    for index, (text, box) in enumerate(zip(texts, visible, strict=True)):
        text = _shorten(text, width, scale)
        wide, high = text_size(text, scale)
        if not text or high > height or min(box[2] - box[0], box[3] - box[1]) < 2 * high:
            continue
        corners = _candidates(box, wide, high)
        corners = np.clip(np.round(corners), 0, [width - wide, height - high])
        areas = np.concatenate([corners, corners + [wide, high]], 1)
        free = np.flatnonzero(~_overlap(areas, occupied))
        if len(free):
            occupied.append(areas[free[0]])
            placed.append(Label(text, index, *(int(v) for v in corners[free[0]]), wide, high))
    return placed


def draw_labels(canvas: np.ndarray, texts: Sequence[str], boxes: np.ndarray,
                scale: float | None = None,
                taken: Sequence[Sequence[float]] = ()) -> list[Label]:
    """Write labels into a picture, white letters with a dark rim.

    Args:
        canvas (np.ndarray): (H, W, 3) uint8; is changed.
        texts, boxes, scale, taken: See :func:`place_labels`.

    Returns:
        list[Label]: What was written.
    """
    size = canvas.shape[:2]
    scale = font_scale(size) if scale is None else scale
    placed = place_labels(texts, boxes, size, scale, taken)
    for label in placed:
        write_label(canvas, label.text, label.x, label.y, scale)
    return placed


def write_label(canvas: np.ndarray, text: str, x: int, y: int, scale: float) -> None:
    """Write a text into a picture (H, W, 3) uint8; x, y is its rectangle's upper left corner."""
    ink, through = _letters(text, scale)
    x1, y1 = max(x, 0), max(y, 0)
    part = canvas[y1:y + ink.shape[0], x1:x + ink.shape[1]]
    if part.size:
        seen = slice(y1 - y, y1 - y + part.shape[0]), slice(x1 - x, x1 - x + part.shape[1])
        part[:] = cv2.add(cv2.multiply(part, through[seen], scale=1 / 255), ink[seen])


@lru_cache(maxsize=256)
def _letters(text: str, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """A text's own light and how much of the picture's comes through, (h, w, 3) uint8.

    Letters with smooth edges are slow to draw, and a stream's stay the same for many frames.
    """
    width, height = text_size(text, scale)
    weight, at = _weight(scale), (MARGIN, _extent(text, scale)[1])
    black = np.zeros((height, width, 3), np.uint8)
    white = np.full_like(black, 255)
    for canvas in (black, white):
        for ink, line in (((0, 0, 0), weight + 2), ((255, 255, 255), weight)):
            cv2.putText(canvas, text, at, FONT, scale, ink, line, cv2.LINE_AA)
    return black, cv2.subtract(white, black)


def _weight(scale: float) -> int:
    """Thickness of a letter's line in pixels."""
    return max(1, round(scale * 1.5))


def _extent(text: str, scale: float) -> tuple[int, int, int]:
    """Width of a text, and pixels above and below its baseline, with the rim."""
    (width, height), below = cv2.getTextSize(text, FONT, scale, _weight(scale) + 2)
    # Brackets and strokes reach higher than OpenCV says.
    return width, height + round(4 * scale) + 2, below + 2


def _shorten(text: str, width: int, scale: float) -> str:
    """The text, cut from its end until it fits into the picture."""
    short = text
    while short and text_size(short, scale)[0] > width:
        text = text[:-1]
        short = f'{text}..' if text else ''
    return short


def _candidates(box: np.ndarray, wide: int, high: int) -> np.ndarray:
    """Upper left corners (k, 2) beside a box, the best first."""
    x1, y1, x2, y2 = box
    middle_x, middle_y = (x1 + x2 - wide) / 2, (y1 + y2 - high) / 2
    lines = np.arange(y1, max(y2 - high, y1) + 1, high)
    return np.array([
        (x1 + 1, y1 + 1), (x1, y1 - high), (x1, y2), (x1 + 1, y2 - high - 1),
        (x2 - wide - 1, y1 + 1), (x2 - wide - 1, y2 - high - 1),
        (middle_x, middle_y), (x2, y1), (x1 - wide, y1), (x2, middle_y), (x1 - wide, middle_y),
        # Then line by line down the box.
        *((x1 + 1, line) for line in lines), *((x2 - wide - 1, line) for line in lines)])


def _overlap(areas: np.ndarray, occupied: Sequence[np.ndarray]) -> np.ndarray:
    """Which of the areas (k, 4) share a pixel with an occupied one, bool (k,)."""
    if not occupied:
        return np.zeros(len(areas), bool)
    other = np.stack(occupied)[None]
    mine = areas[:, None]
    return ((mine[..., :2] < other[..., 2:]) & (other[..., :2] < mine[..., 2:])).all(-1).any(1)
