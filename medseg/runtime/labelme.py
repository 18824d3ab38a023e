"""The content of LabelMe files; where outlines come from is the caller's business."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

VERSION = '5.5.0'


def labelme_record(image_name: str, size: tuple[int, int],
                   objects: Iterable[tuple[str, Sequence[np.ndarray], str]]) -> dict[str, Any]:
    """Content of a LabelMe 5 file.

    Args:
        image_name: File name of the image, beside the file.
        size: Width and height of the upright image in pixels.
        objects: Label, rings (N, 2) and a description (may be empty) for each object. Its parts
            share a ``group_id``; an object of one part has none.
    """
    shapes, groups = [], 0
    for label, rings, text in objects:
        groups += len(rings) > 1
        shapes += [{'label': label, 'points': [[round(float(x), 2), round(float(y), 2)]
                                               for x, y in ring],
                    'group_id': groups if len(rings) > 1 else None, 'shape_type': 'polygon',
                    'flags': {}, **({'description': text} if text else {})} for ring in rings]
    return {'version': VERSION, 'flags': {}, 'shapes': shapes, 'imagePath': image_name,
            'imageData': None, 'imageHeight': size[1], 'imageWidth': size[0]}
