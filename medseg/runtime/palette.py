"""Colours of classes in pictures, as RGB from 0 to 255."""

from __future__ import annotations

from collections.abc import Sequence

PELD_PALETTE: dict[str, tuple[int, int, int]] = {
    'adipose tissue': (160, 32, 240),
    'bone': (220, 20, 60),
    'ligamentum flavum': (255, 215, 0),
    'nerve': (0, 200, 80),
}
"""The paper's colours: purple, red, yellow, green."""

OTHER_COLORS = ((0, 200, 80), (31, 119, 180), (255, 127, 14), (23, 190, 207), (227, 119, 194),
                (140, 86, 75), (188, 189, 34), (160, 32, 240), (220, 20, 60), (255, 215, 0))
"""For classes that are not PELD's, in order."""


def class_colors(names: Sequence[str]) -> list[tuple[int, int, int]]:
    """One RGB colour for each class name: the paper's where the class is one of PELD's."""
    return [PELD_PALETTE.get(name.casefold(), OTHER_COLORS[index % len(OTHER_COLORS)])
            for index, name in enumerate(names)]
