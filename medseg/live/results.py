"""What leaves the live view: objects as JSON, a frame with LabelMe outlines for correction."""
from __future__ import annotations

import io
import json
import zipfile

import cv2
import numpy as np

from .engine import Picture

#: Vertices are left out where the outline moves by less, pixels.
SIMPLIFY = 0.6


def picture_record(picture: Picture) -> dict:
    """A picture's objects and times, JSON-ready.

    Returns:
        dict: ``frame`` (number of the source's frames, from 0), ``time`` (seconds of the clock
        that all lines share), ``latency_ms`` (capture to picture), ``input_scale`` and
        ``objects``, which are COCO results with a ``track_id``.
    """
    found = picture.found
    objects = found.to_coco()
    for item, number in zip(objects, found.ids.tolist(), strict=True):
        item['track_id'] = number
    return {'frame': picture.number, 'time': round(picture.times.captured, 4),
            'latency_ms': round(picture.times.latency_ms, 2), 'input_scale': picture.scale,
            'objects': objects}


def outlines(mask: np.ndarray) -> list[np.ndarray]:
    """Outlines of a mask's parts along the outer sides of their pixels, holes filled.

    Args:
        mask (np.ndarray): (H, W) bool.

    Returns:
        list[np.ndarray]: float (n, 2), x and y; pixel i covers [i, i + 1).
    """
    fine = cv2.resize(mask.view(np.uint8), None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    found, _ = cv2.findContours(fine, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    rings = []
    for ring in sorted(found, key=len, reverse=True):
        corners = ((ring + 1) // 2).astype(np.float32)
        simple = cv2.approxPolyDP(corners, SIMPLIFY, True)[:, 0]
        if len(simple) >= 3:
            rings.append(simple.astype(float))
    return rings


def labelme_record(picture: Picture, names: list[str], image_name: str) -> dict:
    """LabelMe's JSON of a picture; parts of one object share a ``group_id``."""
    shapes, groups = [], 0
    for label, mask in zip(picture.found.labels, picture.found.masks, strict=True):
        rings = outlines(mask)
        groups += len(rings) > 1
        shapes += [{'label': names[label], 'points': ring.tolist(),
                    'group_id': groups if len(rings) > 1 else None, 'shape_type': 'polygon',
                    'flags': {}} for ring in rings]
    height, width = picture.frame.shape[:2]
    return {'version': '5.5.0', 'flags': {}, 'shapes': shapes, 'imagePath': image_name,
            'imageData': None, 'imageHeight': height, 'imageWidth': width}


def correction_archive(picture: Picture, names: list[str]) -> bytes:
    """A zip file with the frame as PNG and its objects for LabelMe, ready to be corrected."""
    stem = f'frame_{picture.number:06d}'
    record = labelme_record(picture, names, f'{stem}.png')
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        archive.writestr(f'{stem}.png', cv2.imencode('.png', picture.frame)[1].tobytes())
        archive.writestr(f'{stem}.json', json.dumps(record, indent=1))
    return buffer.getvalue()
