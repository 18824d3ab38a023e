"""Test-time augmentation for instance masks: predictions of several views of an image, merged."""
from __future__ import annotations

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox_flip, bbox_overlaps
from mmengine.model import BaseTTAModel
from mmengine.structures import InstanceData
from torch import Tensor

#: Dimensions of (n, H, W) that a flip turns round.
_FLIPPED = {'horizontal': (2,), 'vertical': (1,), 'diagonal': (1, 2)}


@MODELS.register_module()
class InstanceTTAModel(BaseTTAModel):
    """Merge what a model finds on flipped and scaled views of an image, masks included.

    mmdet's ``DetTTAModel`` merges boxes alone. Here objects of one class whose boxes overlap, the
    best of each view, are one: its score is the mean over all views, 0 where a view missed it, so
    that chance finds sink; its box and its mask are means weighted by the scores, the mask cut at
    one half.

    Args:
        tta_cfg (dict): ``iou_threshold``, from which overlap of boxes on two are one object, and
            ``max_per_img``.

    Further arguments: see :class:`mmengine.model.BaseTTAModel`.
    """

    def __init__(self, tta_cfg: dict | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.tta_cfg = dict(dict(iou_threshold=0.6, max_per_img=100), **(tta_cfg or {}))

    def merge_preds(self, data_samples_list: list[list[DetDataSample]]) -> list[DetDataSample]:
        """Merge the views of each image.

        Args:
            data_samples_list (list[list[DetDataSample]]): Views of each image, predictions at the
                size of the original image, turned round where ``flip`` says so.

        Returns:
            list[DetDataSample]: The first view of each image with the merged ``pred_instances``.
        """
        merged = []
        for samples in data_samples_list:
            views = [_unflipped(sample) for sample in samples]
            samples[0].pred_instances = merge_views(views, **self.tta_cfg)
            merged.append(samples[0])
        return merged


def _unflipped(sample: DetDataSample) -> InstanceData:
    """Predictions of a view in the frame of the original image."""
    found = sample.pred_instances
    if not sample.metainfo.get('flip', False):
        return found
    direction = sample.metainfo['flip_direction']
    turned = InstanceData(bboxes=bbox_flip(found.bboxes, sample.metainfo['ori_shape'], direction),
                          scores=found.scores, labels=found.labels)
    if 'masks' in found:
        turned.masks = found.masks.flip(_FLIPPED[direction])
    return turned


def merge_views(views: list[InstanceData], iou_threshold: float, max_per_img: int
                ) -> InstanceData:
    """Objects from the predictions of several views.

    Args:
        views (list[InstanceData]): ``bboxes`` (n, 4), ``scores``, ``labels`` (n,) and, from models
            with masks, bool ``masks`` (n, H, W).
        iou_threshold (float): Boxes of one class that overlap more are one object.
        max_per_img (int): Most objects that are returned.

    Returns:
        InstanceData: The same fields, by descending score.
    """
    together = InstanceData.cat([view for view in views if len(view)] or views[:1])
    if not len(together):
        return together
    owner = torch.cat([torch.full_like(view.labels, i) for i, view in enumerate(views)])
    order = together.scores.argsort(descending=True, stable=True)
    overlap = bbox_overlaps(together.bboxes, together.bboxes) > iou_threshold
    same = overlap & (together.labels[:, None] == together.labels[None])
    same.fill_diagonal_(True)  # boxes without area overlap nothing, not even themselves
    free = torch.ones_like(owner, dtype=torch.bool)
    objects = []
    for i in order.tolist():
        if not free[i]:
            continue
        near = order[(same[i] & free)[order]]
        # Of each view the best one takes part; the others are the same object once more.
        members = torch.stack([near[owner[near] == view][0] for view in owner[near].unique()])
        free[near] = False
        objects.append(members)
    scores = torch.stack([together.scores[m].sum() for m in objects]) / len(views)
    best = scores.argsort(descending=True, stable=True)[:max_per_img]
    merged = InstanceData(scores=scores[best])
    chosen = [objects[i] for i in best.tolist()]
    merged.labels = torch.stack([together.labels[m[0]] for m in chosen])
    merged.bboxes = torch.stack([_mean(together.bboxes, together.scores, m) for m in chosen])
    if 'masks' in together:
        merged.masks = torch.stack([
            _mean(together.masks, together.scores, m) > 0.5 for m in chosen])
    return merged


def _mean(values: Tensor, scores: Tensor, members: Tensor) -> Tensor:
    """Mean of some rows, weighted by their scores."""
    weights = scores[members] / scores[members].sum().clamp(min=1e-9)
    return torch.einsum('n,n...->...', weights, values[members].to(weights))
