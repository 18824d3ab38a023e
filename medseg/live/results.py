"""What leaves the live view: objects as JSON, a frame with LabelMe outlines for correction."""
from __future__ import annotations

import io
import json
import zipfile

import cv2
import numpy as np

from medseg.runtime.labelme import labelme_record

from .engine import Picture

#: Vertices are left out where the outline moves by less, pixels.
SIMPLIFY = 0.6


def picture_record(picture: Picture) -> dict:
    """A picture's objects and times, JSON-ready.

    Returns:
        dict: ``frame`` (number of the source's frames, from 0), ``time`` (seconds of the clock
        that all lines share), ``latency_ms`` (capture to picture), ``input_scale`` and
        ``objects``, which are COCO results with a ``track_id`` where objects are followed.
    """
    found = picture.found
    objects = found.to_coco()
    for item, number in zip(objects, found.ids.tolist(), strict=True):
        if number:
            item['track_id'] = number
    return {'frame': picture.number, 'time': round(picture.times.captured, 4),
            'latency_ms': round(picture.times.latency_ms, 2), 'input_scale': picture.scale,
            'objects': objects}


def outlines(mask: np.ndarray) -> list[np.ndarray]:
    """Outlines of a mask's parts along the outer sides of their pixels, holes filled.

    The converters' outlines bridge holes, for which they need Shapely; it is not worth a package
    more on the workstation, as what is drawn here has no holes to speak of and is corrected by
    hand.

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


def correction_archive(picture: Picture, names: list[str]) -> bytes:
    """A zip file with the frame as PNG and its objects for LabelMe, ready to be corrected."""
    stem = f'frame_{picture.number:06d}'
    found = picture.found
    record = labelme_record(
        f'{stem}.png', picture.frame.shape[1::-1],
        [(names[label], rings, '') for label, mask in zip(found.labels, found.masks, strict=True)
         if (rings := outlines(mask))])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        archive.writestr(f'{stem}.png', cv2.imencode('.png', picture.frame)[1].tobytes())
        archive.writestr(f'{stem}.json', json.dumps(record, indent=1))
    return buffer.getvalue()
