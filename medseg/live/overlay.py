"""Pictures made for watching: tint, contour and labels that stay where they are."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from medseg.runtime.drawing import paint_mask
from medseg.runtime.labels import font_scale, place_labels, text_size, write_label

from .tracking import Tracked


@dataclass
class Style:
    """What is drawn, and how; may be changed between frames.

    Attributes:
        opacity: Of the tint, 0 to 1.
        contour: Width of the outlines in pixels at 720 lines; 0 for none.
        labels: Whether classes, scores and identities are written.
        hidden: Classes (indices) that are not drawn.
    """

    opacity: float = 0.35
    contour: float = 2.0
    labels: bool = True
    hidden: set[int] = field(default_factory=set)


class Overlay:
    """Draws one frame after another.

    Args:
        names (Sequence[str]): Of the classes.
        colors (Sequence): RGB of each class, 0 to 255.
    """

    def __init__(self, names: Sequence[str], colors: Sequence[Sequence[int]]) -> None:
        self.names, self.colors = list(names), [tuple(color) for color in colors]
        self._labels: dict[int, _Sticky] = {}

    def __call__(self, frame: np.ndarray, found: Tracked, style: Style) -> np.ndarray:
        """The frame with what is shown over it.

        Args:
            frame (np.ndarray): BGR, (H, W, 3) uint8; stays as it is.
            found (Tracked): Objects in it.
            style (Style): How.

        Returns:
            np.ndarray: BGR, (H, W, 3) uint8.
        """
        canvas = frame.copy()
        visible = [i for i in range(len(found)) if int(found.labels[i]) not in style.hidden]
        width = max(1, round(style.contour * min(frame.shape[:2]) / 720)) if style.contour else 0
        areas = [cv2.countNonZero(mask.view(np.uint8)) for mask in found.masks]
        # Large ones first, so that small ones on them stay visible.
        for i in sorted(visible, key=lambda i: -areas[i]):
            paint_mask(canvas, found.masks[i], self.colors[found.labels[i]], style.opacity, width,
                       rim=2, box=found.boxes[i])
        if style.labels:
            self._write(canvas, found, visible)
        return canvas

    def _write(self, canvas: np.ndarray, found: Tracked, visible: Sequence[int]) -> None:
        """Labels that move with their objects; a new place only where the old one is not free."""
        size, scale = canvas.shape[:2], font_scale(canvas.shape[:2])
        before, self._labels = self._labels, {}
        taken: list[tuple[int, int, int, int]] = []
        homeless = []
        for i in visible:
            sticky = before.get(_key(found, i))
            text = self._text(found, i)
            area = sticky and sticky.follow(found.boxes[i], text_size(text, scale), size, taken)
            if area is None:
                homeless.append(i)
                continue
            taken.append(area)
            self._labels[_key(found, i)] = sticky
            write_label(canvas, text, *area[:2], scale)
        texts = [self._text(found, i) for i in homeless]
        for label in place_labels(texts, found.boxes[homeless], size, scale, taken):
            index = homeless[label.index]
            self._labels[_key(found, index)] = _Sticky(found.boxes[index], label.rectangle)
            write_label(canvas, label.text, label.x, label.y, scale)

    def _text(self, found: Tracked, index: int) -> str:
        """Class, identity and score; the score in steps of 5 %, as digits that flicker distract."""
        score = 5 * round(20 * float(found.scores[index]))
        number = f' {found.ids[index]}' if found.ids[index] else ''
        return f'{self.names[found.labels[index]]}{number} {score}%'


def _key(found: Tracked, index: int) -> int:
    """By which an object is known in the next frame: its identity, else its class."""
    return int(found.ids[index]) or -1 - int(found.labels[index])


class _Sticky:
    """A label's place beside its object."""

    def __init__(self, box: np.ndarray, area: Sequence[int]) -> None:
        self._corner = np.float32(box[:2])
        self._area = np.float32(area)

    def follow(self, box: np.ndarray, text: tuple[int, int], size: tuple[int, int],
               taken: Sequence[Sequence[int]]) -> tuple[int, int, int, int] | None:
        """Where the label is now.

        Args:
            box (np.ndarray): (4,) of its object.
            text (tuple[int, int]): Width and height that it needs now.
            size (tuple[int, int]): Height and width of the picture.
            taken (Sequence): Rectangles of other labels.

        Returns:
            tuple | None: Its rectangle; None where it would leave the picture or its object, or
            cover another label.
        """
        # Boxes tremble more than objects move: small steps are averaged, large ones followed.
        step = box[:2] - self._corner
        step = np.where(np.abs(step) < 0.01 * max(size), 0.2 * step, step)
        self._corner += step
        self._area += np.tile(step, 2)
        x1, y1 = (int(v) for v in np.round(self._area[:2]))
        x2, y2 = x1 + text[0], y1 + text[1]
        inside = 0 <= x1 and 0 <= y1 and x2 <= size[1] and y2 <= size[0]
        near = x1 <= box[2] and x2 >= box[0] and y1 <= box[3] and y2 >= box[1]
        free = all(x2 <= a or c <= x1 or y2 <= b or d <= y1 for a, b, c, d in taken)
        return (x1, y1, x2, y2) if inside and near and free else None
