"""Write a frame as a JPEG and a LabelMe 5 file."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from medseg.data.convert import labelme_writer
from medseg.io import write_bytes, write_json

from .render import Instance


def labelme_record(image_name: str, size: tuple[int, int], instances: list[Instance]) -> dict:
    """Build a LabelMe record.

    Args:
        image_name: File name of the image, beside the record.
        size: (width, height) of the image in pixels.
        instances: Visible instances. The parts of one instance get a common ``group_id``;
            an instance of one part has none.

    Returns:
        The record, ready for :func:`json.dump`.
    """
    return labelme_writer.labelme_record(
        image_name, size, [(item.label, item.polygons, '') for item in instances])


def write_pair(out: Path, stem: str, image: np.ndarray, instances: list[Instance],
               quality: int) -> None:
    """Write ``stem.jpg``, then ``stem.json``; the second one marks the pair as finished.

    Args:
        out: Existing folder.
        stem: File name without suffix.
        image: uint8 (height, width, 3), BGR.
        instances: Visible instances.
        quality: JPEG quality, 0 to 100.

    Raises:
        OSError: If a file cannot be written.
    """
    done, data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise OSError(f'{out / stem}.jpg: the image could not be encoded')
    write_bytes(out / f'{stem}.jpg', data.tobytes())
    record = labelme_record(f'{stem}.jpg', (image.shape[1], image.shape[0]), instances)
    write_json(out / f'{stem}.json', record, indent=1)
