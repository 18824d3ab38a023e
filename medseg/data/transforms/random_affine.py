"""Random scale, shift, rotation and shear for images with polygons."""
import math

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmdet.registry import TRANSFORMS

from .polygon_geometry import require_polygons, set_instances, transform_polygons


@TRANSFORMS.register_module()
class PolygonRandomAffine(BaseTransform):
    """Warp an image (or a mosaic's canvas) to the input size around its centre.

    mmdet's ``RandomAffine`` leaves masks behind. An instance is dropped when less than
    ``min_area_ratio`` of its box stays inside, or when a side falls under ``min_bbox_size``.

    Required keys: img, gt_bboxes, gt_bboxes_labels, gt_ignore_flags, gt_masks (polygons).
    Modified: these and img_shape.

    Args:
        img_scale (tuple[int, int]): Width and height of the output.
        scale_range (tuple[float, float]): Range of the zoom.
        max_translate (float): Largest shift, as a fraction of the output size.
        max_rotate (float): Largest rotation, in degrees.
        max_shear (float): Largest shear, in degrees.
        min_bbox_size (float): Smallest side of a kept box, in output pixels.
        min_area_ratio (float): Smallest part of the warped box inside the output.
        pad_val (float): Grey value of what lies outside the input, 0 to 255.
    """

    def __init__(self, img_scale: tuple[int, int] = (640, 640),
                 scale_range: tuple[float, float] = (0.5, 1.5), max_translate: float = 0.1,
                 max_rotate: float = 0.0, max_shear: float = 0.0, min_bbox_size: float = 2.0,
                 min_area_ratio: float = 0.1, pad_val: float = 114.0) -> None:
        self.img_scale = tuple(img_scale)
        self.scale_range = tuple(scale_range)
        self.max_translate = max_translate
        self.max_rotate = max_rotate
        self.max_shear = max_shear
        self.min_bbox_size = min_bbox_size
        self.min_area_ratio = min_area_ratio
        self.pad_val = pad_val

    @cache_randomness
    def _draw(self) -> tuple[float, float, np.ndarray, np.ndarray]:
        """Zoom, rotation in radians, shear (2,) in radians, shift (2,) as a fraction."""
        return (np.random.uniform(*self.scale_range),
                math.radians(np.random.uniform(-self.max_rotate, self.max_rotate)),
                np.radians(np.random.uniform(-self.max_shear, self.max_shear, 2)),
                np.random.uniform(-self.max_translate, self.max_translate, 2))

    def _matrix(self, height: int, width: int) -> np.ndarray:
        """Affine map from the input's pixels to the output's, (2, 3)."""
        zoom, angle, shear, shift = self._draw()
        cos, sin = math.cos(angle), math.sin(angle)
        linear = zoom * np.array([[cos, -sin], [sin, cos]]) @ np.array(
            [[1, math.tan(shear[0])], [math.tan(shear[1]), 1]])
        out = np.array(self.img_scale, np.float64)
        target = out * (0.5 + shift)
        return np.hstack([linear, (target - linear @ [width / 2, height / 2])[:, None]])

    def transform(self, results: dict) -> dict:
        img = results['img']
        width, height = self.img_scale
        matrix = self._matrix(*img.shape[:2])
        # The warp maps pixel centres, at integer positions for OpenCV, at halves for polygons.
        centred = matrix.copy()
        centred[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5
        results['img'] = cv2.warpAffine(
            img, centred, (width, height), borderValue=(self.pad_val,) * 3)
        results['img_shape'] = (height, width)

        masks = require_polygons(results, type(self).__name__)
        before = results['gt_bboxes'].tensor.numpy()
        moved, boxes = transform_polygons(masks, matrix, (height, width))
        sides = boxes[:, 2:] - boxes[:, :2]
        full = (before[:, 2:] - before[:, :2]).prod(1) * abs(np.linalg.det(matrix[:, :2]))
        keep = (sides >= self.min_bbox_size).all(1) & (
            sides.prod(1) >= self.min_area_ratio * full)
        set_instances(results, moved, boxes, keep)
        return results
