"""Objects as LabelMe files, for correction by hand and the next round of training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from shapely import Polygon

from medseg.io import write_json
from medseg.runtime.labelme import labelme_record
from medseg.runtime.records import decode_mask

from .geometry import mask_iou, mask_to_polygons, rasterize

#: Tolerances in pixels at which outlines are simplified, the coarsest that keeps the mask is taken.
TOLERANCES = (1.0, 0.7, 0.4)
#: Least IoU of a mask with its simplified outlines.
LEAST_IOU = 0.993


def simple_outlines(mask: np.ndarray) -> list[np.ndarray]:
    """Outlines of a mask with as few points as keep its shape, as a person would draw them.

    Args:
        mask: (H, W), non-zero is object.

    Returns:
        One ring of shape (N, 2) for each part, in pixels; holes are bridged into it. Their
        rasterisation has an IoU of at least :data:`LEAST_IOU` with the mask.
    """
    mask = np.asarray(mask) != 0
    rings = mask_to_polygons(mask)
    for tolerance in TOLERANCES if rings else ():
        simple = [np.asarray(Polygon(ring).simplify(tolerance).exterior.coords)[:-1]
                  for ring in rings]
        if all(len(ring) >= 3 for ring in simple) and mask_iou(
                rasterize(simple, *mask.shape), mask) >= LEAST_IOU:
            return simple
    return rings


class CorrectionFiles:
    """LabelMe files beside images: predictions to correct. What is there already stays.

    Attributes:
        written: How many were written.
        kept: Images that have a file of their own.
    """

    def __init__(self) -> None:
        self.written = 0
        self.kept: list[Path] = []

    def write(self, image: Path, size: tuple[int, int], records: Iterable[Mapping[str, Any]]
              ) -> None:
        """Write the file of an image unless there is one.

        Args:
            image: The image file.
            size: Width and height of the upright image in pixels.
            records: COCO results with ``category_name``, ``score`` and ``segmentation`` (RLE).
        """
        target = image.with_suffix('.json')
        if target.exists():
            self.kept.append(target)
            return
        objects = [(item['category_name'], rings, f'score {item["score"]:.2f}')
                   for item in records if 'segmentation' in item
                   and (rings := simple_outlines(decode_mask(item['segmentation'])))]
        write_json(target, labelme_record(image.name, size, objects), indent=1)
        self.written += 1

    def __str__(self) -> str:
        kept = f'; {len(self.kept)} images have one already, such as {self.kept[0]}' \
            if self.kept else ''
        return f'{self.written} LabelMe files beside the images{kept}'
