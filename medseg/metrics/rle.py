"""Run-length encoding of a stack of masks in one call."""
import numpy as np
from pycocotools import mask as mask_utils


def encode_masks(masks: np.ndarray) -> list[dict]:
    """Encode masks as COCO's compressed RLE, ``counts`` being ``str`` (ready for JSON).

    Only the columns that hold any mask are encoded pixel by pixel; with hundreds of small
    instances in an image that is most of the time of an evaluation.

    Args:
        masks: bool or 0/1, (instances, height, width).

    Raises:
        ValueError: The array is not three-dimensional.
    """
    if masks.ndim != 3:
        raise ValueError(f'masks must be (instances, height, width), got shape {masks.shape}')
    height, width = masks.shape[1:]
    rles = []
    occupied = masks.any(axis=1)
    for mask, columns in zip(masks, occupied, strict=True):
        filled = np.flatnonzero(columns)
        first, last = (filled[0], filled[-1] + 1) if filled.size else (0, 0)
        # RLE runs down the columns, zeros first (a run of length 0 if the first pixel is set).
        flat = np.asarray(mask[:, first:last], dtype=np.int8).T.ravel()
        changes = np.flatnonzero(np.diff(flat, prepend=0, append=0)) + first * height
        runs = np.diff(changes, prepend=0, append=height * width).tolist()
        if len(runs) > 1 and runs[-1] == 0:
            runs.pop()
        rle = mask_utils.frPyObjects(dict(size=[height, width], counts=runs), height, width)
        rle['counts'] = rle['counts'].decode()
        rles.append(rle)
    return rles
