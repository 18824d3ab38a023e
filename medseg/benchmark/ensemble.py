"""Predictions of several models on one set, fused: weighted means of boxes and masks."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.structures import InstanceData
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO

from medseg.errors import UserError
from medseg.io import read_json, write_json
from medseg.metrics.rle import encode_masks
from medseg.models.instance_tta import merge_views

#: Boxes of one class that overlap more are one object.
IOU = 0.6


def _instances(records: Sequence[dict], with_masks: bool) -> InstanceData:
    boxes = torch.tensor([r['bbox'] for r in records], dtype=torch.float64).reshape(-1, 4)
    boxes = torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)
    found = InstanceData(
        bboxes=boxes, scores=torch.tensor([r['score'] for r in records], dtype=torch.float64),
        labels=torch.tensor([r['category_id'] for r in records], dtype=torch.long))
    if with_masks:
        masks = mask_utils.decode([r['segmentation'] for r in records])
        found.masks = torch.from_numpy(np.ascontiguousarray(masks.transpose(2, 0, 1))).bool()
    return found


def fuse(coco: COCO, predictions: Sequence[Sequence[dict]], iou: float = IOU,
         max_dets: int = 100, report: Callable[[int, int], None] = lambda done, total: None
         ) -> list[dict]:
    """Objects that the models find together, as :func:`.instance_tta.merge_views` merges views.

    Boxes of one class that overlap are one object, at most one of each model: its score is the mean
    over all models, 0 where one missed it, its box and mask are means weighted by the scores, the
    mask cut at one half.

    Args:
        coco (COCO): Knows the images.
        predictions (Sequence[Sequence[dict]]): COCO results of each model: ``bbox`` or ``segm``.
        iou (float): See :data:`IOU`.
        max_dets (int): Most objects per image.
        report (Callable): Gets the number of images done and of all.

    Returns:
        list[dict]: COCO results, by image.

    Raises:
        UserError: A record is of an image that the set does not have.
    """
    by_image: list[dict] = []
    for records in predictions:
        found = defaultdict(list)
        for record in records:
            found[record['image_id']].append(record)
        unknown = set(found) - set(coco.imgs)
        if unknown:
            raise UserError(f'predictions of image {min(unknown)}, which the annotation file does '
                            'not have; give the set that was predicted')
        by_image.append(found)
    with_masks = all('segmentation' in record for records in predictions for record in records)
    fused = []
    for done, image in enumerate(sorted(coco.imgs), start=1):
        views = [found[image] for found in by_image]
        fused += _fused(image, views, with_masks, iou, max_dets)
        report(done, len(coco.imgs))
    return fused


def _fused(image: int, views: Sequence[Sequence[dict]], with_masks: bool, iou: float,
           max_dets: int) -> list[dict]:
    if not any(views):
        return []
    # a model that found nothing still counts in the mean of the scores
    instances = [_instances(view, with_masks) if view else InstanceData(
        bboxes=torch.zeros(0, 4, dtype=torch.float64), scores=torch.zeros(0, dtype=torch.float64),
        labels=torch.zeros(0, dtype=torch.long)) for view in views]
    merged = merge_views(instances, iou, max_dets)
    boxes = merged.bboxes.clone()
    boxes[:, 2:] -= boxes[:, :2]
    records = [dict(image_id=image, category_id=label, bbox=box, score=score)
               for label, box, score in zip(merged.labels.tolist(), boxes.tolist(),
                                            merged.scores.tolist(), strict=True)]
    if with_masks:
        for record, mask in zip(records, encode_masks(merged.masks.numpy()), strict=True):
            record['segmentation'] = mask
    return records


def fuse_files(coco: COCO, prefixes: Sequence[Path], target: Path, iou: float = IOU,
               max_dets: int = 100,
               report: Callable[[int, int], None] = lambda done, total: None) -> None:
    """:func:`fuse` of ``PREFIX.segm.json`` into ``TARGET.segm.json`` and ``TARGET.bbox.json``.

    Raises:
        UserError: A file is missing or does not fit the annotation file.
    """
    records = [read_json(prefix.with_name(f'{prefix.name}.segm.json')) for prefix in prefixes]
    fused = fuse(coco, records, iou, max_dets, report)
    for kind in ('bbox', 'segm'):
        write_json(target.with_name(f'{target.name}.{kind}.json'), fused)
