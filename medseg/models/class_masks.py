"""The area of each class in an image: unions of its instances' masks."""
from __future__ import annotations

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from pycocotools import mask as mask_utils
from torch import Tensor


def class_masks(sample: DetDataSample, num_classes: int, size: tuple[int, int]) -> Tensor:
    """Where each class is, crowds included; classes may overlap, as instances do.

    Args:
        sample (DetDataSample): With ``gt_instances`` and, where there are crowds,
            ``ignored_instances``, both with ``labels`` and polygon or bitmap ``masks``.
        num_classes (int): Number of classes.
        size (tuple[int, int]): Height and width of the padded image.

    Returns:
        Tensor: (num_classes, *size) uint8, 0 or 1.
    """
    areas = np.zeros((num_classes, *size), np.uint8)
    for name in ('gt_instances', 'ignored_instances'):
        instances = sample.get(name)
        if instances is None or not len(instances) or 'masks' not in instances:
            continue
        labels = instances.labels.cpu().numpy()
        for label in np.unique(labels):
            union = _union(instances.masks[labels == label], size)
            height, width = union.shape
            np.maximum(areas[label, :height, :width], union,
                       out=areas[label, :height, :width])
    return torch.from_numpy(areas)


def _union(masks: BitmapMasks | PolygonMasks, size: tuple[int, int]) -> np.ndarray:
    """(h, w) uint8, no larger than ``size``."""
    if isinstance(masks, PolygonMasks):
        rings = [ring for rings in masks.masks for ring in rings if len(ring) >= 6]
        if not rings:
            return np.zeros(size, np.uint8)
        return mask_utils.decode(mask_utils.merge(mask_utils.frPyObjects(rings, *size)))
    return masks.masks.any(0).astype(np.uint8)[:size[0], :size[1]]
