"""The images that go worst, with truth and prediction side by side."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from medseg.data.pictures import draw_annotations
from medseg.errors import UserError
from medseg.metrics.error_causes import CAUSES, ErrorCauses
from medseg.metrics.strata import Truths
from medseg.runtime.images import read_image

WIDTH = 400
"""Of one picture in pixels; truth and prediction stand side by side."""
GAP = 6


def image_counts(truths: Truths, causes: ErrorCauses, lowest: float, images: int
                 ) -> dict[str, np.ndarray]:
    """What was found, missed and made up in each image, at IoU 0.5 from a score on.

    Returns:
        dict: ``found``, ``missed``, ``false``, (images,); ``causes``, false detections of each
        cause, (images, causes), missed truths last; ``quality``: the panoptic quality over all
        classes, IoU of what was found, summed, over found + false / 2 + missed / 2; NaN for an
        image without any of them.
    """
    hit = truths.found(lowest)
    found, total = (np.bincount(truths.images, values, images).astype(int)
                    for values in (hit, np.ones(len(hit))))
    false = (causes.causes >= 0) & (causes.scores >= lowest)
    table = np.zeros((images, len(CAUSES)), np.int64)
    np.add.at(table, (causes.images[false], causes.causes[false]), 1)
    table[:, -1] = total - found
    overlap = np.bincount(truths.images, truths.overlaps * hit, images)
    wrong = table[:, :-1].sum(axis=1)
    with np.errstate(invalid='ignore'):
        quality = overlap / (found + 0.5 * wrong + 0.5 * (total - found))
    return dict(found=found, missed=total - found, false=wrong, causes=table, quality=quality)


def rank(counts: dict[str, np.ndarray], number: int) -> list[int]:
    """The images of the lowest quality; of equals the one with more misses and false ones."""
    quality, wrong = counts['quality'], counts['missed'] + counts['false']
    known = np.flatnonzero(~np.isnan(quality))
    order = sorted(known.tolist(), key=lambda i: (quality[i], -wrong[i], i))
    return [i for i in order if wrong[i] or quality[i] < 1][:number]


def drawable(record: dict) -> dict:
    """A record as :func:`medseg.data.pictures.draw_annotations` takes it; a box is an outline."""
    x, y, width, height = record['bbox']
    if record.get('segmentation'):
        return dict(record, area=record.get('area', width * height))
    outline = [[x, y, x + width, y, x + width, y + height, x, y + height]]
    return dict(record, segmentation=outline, area=width * height)


def pixels(folder: Path, image: dict) -> np.ndarray:
    """An image of the set, BGR.

    Raises:
        UserError: It cannot be read, or is of another size than the annotations say.
    """
    path = folder / image['file_name']
    found = read_image(path)
    if found.shape[:2] != (image['height'], image['width']):
        raise UserError(f'{path}: is {found.shape[1]}x{found.shape[0]} (width x height), but the '
                        f'annotations say {image["width"]}x{image["height"]}; give the folder of '
                        'the annotated images with --images')
    return found


def side_by_side(image: np.ndarray, truth: Sequence[dict], found: Sequence[dict],
                 names: dict[int, str]) -> np.ndarray:
    """Truth on the left, prediction on the right, :data:`WIDTH` pixels each; BGR.

    Args:
        image (np.ndarray): BGR, (H, W, 3) uint8.
        truth, found (Sequence[dict]): COCO annotations and records.
        names (dict): Class by category id, in the order of the classes.
    """
    rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    height = max(1, round(image.shape[0] * WIDTH / image.shape[1]))
    drawn = []
    for records in (truth, found):
        picture = draw_annotations(rgb, [drawable(record) for record in records], names,
                                   opacity=0.3)
        drawn.append(cv2.resize(picture, (WIDTH, height), interpolation=cv2.INTER_AREA))
    gap = np.full((height, GAP, 3), 255, np.uint8)
    return cv2.cvtColor(np.hstack([drawn[0], gap, drawn[1]]), cv2.COLOR_RGB2BGR)
