"""Types of images in a mixed set, told apart by size and colour; made for DSB2018 (BBBC038).

The set mixes fluorescence, bright-field and stained tissue of many microscopes and does not say
which image is which. The rule, on thumbnails of 64 pixels:

- **colour**: the mean difference between an image's strongest and weakest channel is above 8 of 255
  levels. Stained tissue is; fluorescence and bright-field images are stored as grey.
- **background**: the median grey level is above 127: *bright* (transmitted light), else *dark*
  (fluorescence).
- **size**: the longer side is at most 320 pixels: *small*; at most 700: *medium*; else *large*.

A type is named by all three, such as ``grey, dark, small``. Nothing is learnt from the set, so an
image has its type whichever others are there.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from medseg.errors import UserError
from medseg.runtime.images import read_image

COLOUR = 8
BRIGHT = 127
SIZES = (('small', 320), ('medium', 700))
_THUMBNAIL = 64


def image_type(image: np.ndarray) -> str:
    """Type of an image.

    Args:
        image (np.ndarray): uint8 (height, width, 3), BGR.

    Returns:
        str: Such as ``colour, bright, medium``.
    """
    small = cv2.resize(image, (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA).astype(float)
    colour = (small.max(2) - small.min(2)).mean() > COLOUR
    bright = np.median(small.mean(2)) > BRIGHT
    side = max(image.shape[:2])
    size = next((name for name, most in SIZES if side <= most), 'large')
    return f'{"colour" if colour else "grey"}, {"bright" if bright else "dark"}, {size}'


def image_types(images: Sequence[dict], folder: Path,
                report: Callable[[int, int], None] = lambda done, total: None) -> list[str]:
    """Type of each COCO image.

    Args:
        images (Sequence[dict]): COCO images.
        folder (Path): What their ``file_name`` starts from.
        report (Callable): Gets the number of images done and of all.

    Raises:
        UserError: An image is missing or cannot be read.
    """
    found = []
    for done, image in enumerate(images, start=1):
        path = Path(folder) / image['file_name']
        if not path.is_file():
            raise UserError(f'{path}: no such image; name the folder with --images')
        found.append(image_type(read_image(path)))
        report(done, len(images))
    return found
