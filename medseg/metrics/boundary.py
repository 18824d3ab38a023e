"""Boundary IoU and boundary AP (Cheng et al., *Boundary IoU*, CVPR 2021).

Mask IoU hardly notices the contour of a large object. Boundary IoU compares only the bands of
pixels within a distance d inside each mask's contour, d being 2 % of the image diagonal. Boundary
AP is COCO AP with min(mask IoU, boundary IoU) in place of mask IoU.
"""
from dataclasses import dataclass

import cv2
import numpy as np
from pycocotools import mask as mask_utils

from .fast_cocoeval import FastCOCOeval

#: Width of the band as a fraction of the image diagonal, the paper's value.
DILATION_RATIO = 0.02


@dataclass(frozen=True)
class Patch:
    """A binary mask cut to its bounding box.

    Attributes:
        x, y: Position of the patch's top left pixel in the image.
        mask: bool, (height, width) of the patch; may be empty (0, 0).
    """
    x: int
    y: int
    mask: np.ndarray

    @property
    def area(self) -> int:
        """Number of set pixels."""
        return int(np.count_nonzero(self.mask))

    def overlap(self, other: 'Patch') -> int:
        """Number of pixels set in both patches."""
        x0, y0 = max(self.x, other.x), max(self.y, other.y)
        x1 = min(self.x + self.mask.shape[1], other.x + other.mask.shape[1])
        y1 = min(self.y + self.mask.shape[0], other.y + other.mask.shape[0])
        if x1 <= x0 or y1 <= y0:
            return 0
        a = self.mask[y0 - self.y:y1 - self.y, x0 - self.x:x1 - self.x]
        b = other.mask[y0 - other.y:y1 - other.y, x0 - other.x:x1 - other.x]
        return int(np.count_nonzero(a & b))


def patch_from_rle(rle: dict) -> Patch:
    """Decode a compressed RLE of an image-sized mask and cut it to its bounding box."""
    x, y, width, height = (int(v) for v in mask_utils.toBbox(rle))
    mask = mask_utils.decode(rle)[y:y + height, x:x + width]
    return Patch(x, y, mask.astype(bool))


def band_width(height: int, width: int, ratio: float = DILATION_RATIO) -> int:
    """Width d in pixels of the boundary band in an image of this size, at least 1."""
    return max(1, int(round(ratio * float(np.hypot(height, width)))))


def boundary_band(patch: Patch, distance: int) -> Patch:
    """The mask's pixels within ``distance`` (chessboard, pixels) of its outside.

    What lies beyond the image's edge is outside, so a mask cut by the edge has a boundary there.
    """
    if patch.mask.size == 0:
        return patch
    size = 2 * distance + 1
    inner = cv2.erode(
        patch.mask.astype(np.uint8), np.ones((size, size), np.uint8),
        borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return Patch(patch.x, patch.y, patch.mask & (inner == 0))


def boundary_iou(mask_a: np.ndarray, mask_b: np.ndarray, ratio: float = DILATION_RATIO) -> float:
    """Boundary IoU of two masks of one image, in [0, 1]; 0 if both are empty.

    Args:
        mask_a, mask_b: bool or 0/1, both (height, width) of the image.
        ratio: Band width as a fraction of the image diagonal.

    Raises:
        ValueError: The masks' shapes differ.
    """
    if np.shape(mask_a) != np.shape(mask_b):
        raise ValueError(f'masks of shapes {np.shape(mask_a)} and {np.shape(mask_b)} differ')
    distance = band_width(*np.shape(mask_a), ratio)
    bands = []
    for mask in (mask_a, mask_b):
        rle = mask_utils.encode(np.asfortranarray(mask, dtype=np.uint8))
        bands.append(boundary_band(patch_from_rle(rle), distance))
    return _band_iou(*bands, crowd=False)


def _band_iou(dt: Patch, gt: Patch, crowd: bool) -> float:
    """IoU of two bands; against a crowd the share of the detection's band, as COCO defines it."""
    shared = dt.overlap(gt)
    total = dt.area if crowd else dt.area + gt.area - shared
    return shared / total if total else 0.0


class BoundaryCOCOeval(FastCOCOeval):
    """``FastCOCOeval`` on min(mask IoU, boundary IoU); create it with ``iouType='segm'``.

    Bands are made only where the mask IoU reaches the lowest threshold: elsewhere the minimum
    cannot make a match, whatever the boundary is.
    """

    def computeIoU(self, imgId: int, catId: int) -> np.ndarray | list:
        """min(mask IoU, boundary IoU), (detections, ground truths), in falling order of score."""
        ious = super().computeIoU(imgId, catId)
        gts, dts = self._gts[imgId, catId], self._dts[imgId, catId]
        if not gts or not dts:
            return ious
        order = np.argsort([-dt['score'] for dt in dts], kind='mergesort')
        ious = np.array(ious)
        bands: dict[tuple[str, int], Patch] = {}

        def band(kind: str, index: int, ann: dict) -> Patch:
            if (kind, index) not in bands:
                rle = ann['segmentation']
                bands[kind, index] = boundary_band(patch_from_rle(rle), band_width(*rle['size']))
            return bands[kind, index]

        for d, g in zip(*np.nonzero(ious >= np.min(self.params.iouThrs)), strict=True):
            gt = gts[g]
            value = _band_iou(
                band('dt', d, dts[order[d]]), band('gt', g, gt), crowd=bool(gt['iscrowd']))
            ious[d, g] = min(ious[d, g], value)
        return ious
