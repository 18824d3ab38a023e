"""Whose image is whose, as far as an annotation file tells."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medseg.errors import UserError

from .grouping import find_grouping


def patients(images: Sequence[dict]) -> list[str] | None:
    """Patient of each COCO image; None where they are not told, or are all different."""
    if all('patient' in image for image in images):
        found = [str(image['patient']) for image in images]
    else:
        try:
            found = list(find_grouping([image['file_name'] for image in images]).patients)
        except UserError:
            return None
    return found if 1 < len(set(found)) < len(found) else None


def patient_groups(images: Sequence[dict]) -> tuple[np.ndarray, str]:
    """What a bootstrap draws: patients, or the images themselves where patients are not told.

    Args:
        images (Sequence[dict]): COCO images.

    Returns:
        tuple: Index of each image's group, (images,), and ``patient`` or ``image``.
    """
    known = patients(images)
    if known is None:
        return np.arange(len(images)), 'image'
    return np.unique(known, return_inverse=True)[1], 'patient'
