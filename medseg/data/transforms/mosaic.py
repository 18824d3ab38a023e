"""Mosaic for instance segmentation with polygons."""
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmdet.registry import TRANSFORMS
from mmdet.structures.mask import PolygonMasks

from .polygon_geometry import require_polygons, set_instances, transform_polygons


@TRANSFORMS.register_module()
class PolygonMosaic(BaseTransform):
    """Put four images around a random centre on a canvas of twice the input size.

    mmdet's ``Mosaic`` drops masks, and its ``CachedMosaic`` cuts polygons one by one and cannot be
    resumed to the same sequence, as its cache lives in the worker. This one is used inside
    ``MultiImageMixDataset``, moves all polygons at once and leaves the cut to the rasteriser. Put
    ``PolygonRandomAffine`` behind it, which brings the canvas back to the input size.

    Required keys: img, gt_bboxes, gt_bboxes_labels, gt_ignore_flags, gt_masks (polygons),
    mix_results. Modified: these and img_shape.

    Args:
        img_scale (tuple[int, int]): Width and height of the network's input.
        pad_val (float): Grey value of empty canvas, 0 to 255.
        prob (float): Probability of a mosaic; otherwise the sample is left as it is.
    """

    def __init__(self, img_scale: tuple[int, int] = (640, 640), pad_val: float = 114.0,
                 prob: float = 1.0) -> None:
        self.img_scale = tuple(img_scale)
        self.pad_val = pad_val
        self.prob = prob

    def get_indexes(self, dataset) -> list[int]:
        """Three random images of the data set."""
        return np.random.randint(0, len(dataset), size=3).tolist()

    @cache_randomness
    def _draw(self) -> tuple[float, float, float]:
        """Whether to mix (uniform in [0, 1)), and the centre in canvas pixels."""
        width, height = self.img_scale
        return (np.random.rand(), np.random.uniform(0.5 * width, 1.5 * width),
                np.random.uniform(0.5 * height, 1.5 * height))

    def transform(self, results: dict) -> dict:
        draw, centre_x, centre_y = self._draw()
        if draw >= self.prob:
            return results
        width, height = self.img_scale
        shape = (2 * height, 2 * width)
        centre_x, centre_y = int(centre_x), int(centre_y)
        canvas = np.full((*shape, 3), self.pad_val, dtype=results['img'].dtype)
        polygons, boxes, labels, flags = [], [], [], []
        for i, sample in enumerate([results, *results['mix_results']]):
            img = sample['img']
            h, w = img.shape[:2]
            # Each image touches the centre with one corner: upper left, upper right, lower
            # left, lower right.
            left = centre_x - w if i % 2 == 0 else centre_x
            top = centre_y - h if i < 2 else centre_y
            x1, y1 = max(left, 0), max(top, 0)
            x2, y2 = min(left + w, shape[1]), min(top + h, shape[0])
            canvas[y1:y2, x1:x2] = img[y1 - top:y2 - top, x1 - left:x2 - left]
            masks = require_polygons(sample, type(self).__name__)
            moved, moved_boxes = transform_polygons(
                masks, np.array([[1, 0, left], [0, 1, top]], np.float64), shape)
            polygons.extend(moved.masks)
            boxes.append(moved_boxes)
            labels.append(sample['gt_bboxes_labels'])
            flags.append(sample['gt_ignore_flags'])
        results['img'] = canvas
        results['img_shape'] = shape
        results['gt_bboxes_labels'] = np.concatenate(labels)
        results['gt_ignore_flags'] = np.concatenate(flags)
        boxes = np.concatenate(boxes)
        keep = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        set_instances(results, PolygonMasks(polygons, *shape), boxes, keep)
        return results
