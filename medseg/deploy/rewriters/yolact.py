"""mmdet's YOLACT, for export: Fast NMS and mask assembly for a whole batch.

Upstream has been asked for it since 2022 (open-mmlab/mmdetection issues 6935, 7995, 8166).
"""
from __future__ import annotations

import torch
import torch.nn.functional as F
from mmdeploy.codebase.mmdet.deploy import get_post_processing_params
from mmdeploy.core import FUNCTION_REWRITER
from mmdet.models.dense_heads.yolact_head import YOLACTProtonet
from mmdet.structures.bbox import bbox_overlaps
from torch import Tensor

from medseg.deploy.exportable_heads import register_head
from medseg.deploy.graph_postprocess import (
    decode,
    gather_rows,
    pick_best,
    raw_prototypes,
    rows_of,
)

register_head(YOLACTProtonet, raw_outputs=True)


@FUNCTION_REWRITER.register_rewriter(
    'mmdet.models.dense_heads.yolact_head.YOLACTHead.predict_by_feat')
def yolact_head__predict_by_feat(self, cls_scores: list[Tensor], bbox_preds: list[Tensor],
                                 coeff_preds: list[Tensor], batch_img_metas: list[dict],
                                 cfg=None, rescale: bool = True, **kwargs) -> tuple[Tensor, ...]:
    """Boxes, scores, coefficients and, unless the export is raw, labels of the kept instances.

    Returns:
        tuple: Raw: boxes (B, A, 4), unclipped, scores (B, A, C), coefficients (B, A, P).
        Otherwise dets (B, N, 5), labels (B, N), coefficients (B, N, P).
    """
    params = get_post_processing_params(FUNCTION_REWRITER.get_context().cfg)
    cfg = self.test_cfg if cfg is None else cfg
    raw = params.get('raw', False)
    levels = self.prior_generator.grid_priors(
        [scores.shape[-2:] for scores in cls_scores], device=cls_scores[0].device)
    scores, boxes, coeffs, priors = [], [], [], []
    for cls, box, coeff, prior in zip(cls_scores, bbox_preds, coeff_preds, levels, strict=True):
        cls = rows_of(cls, self.cls_out_channels)
        cls = cls.sigmoid() if self.use_sigmoid_cls else cls.softmax(-1)[..., :self.num_classes]
        maps = [cls, rows_of(box, 4), rows_of(coeff, self.num_protos),
                prior[None].expand(cls.shape[0], -1, -1)]
        if not raw and cfg.get('nms_pre', -1) > 0:
            index = cls.max(-1)[0].topk(cfg.nms_pre, dim=1)[1]
            maps = [gather_rows(values, index) for values in maps]
        for values, part in zip((scores, boxes, coeffs, priors), maps, strict=True):
            values.append(part)
    scores, boxes, coeffs, priors = (torch.cat(v, 1) for v in (scores, boxes, coeffs, priors))
    size = None if raw else batch_img_metas[0]['img_shape']
    boxes = self.bbox_coder.decode(priors, boxes, max_shape=size)
    if raw:
        return boxes, scores, coeffs

    scores, labels, index = fast_nms(boxes, scores, cfg.score_thr, cfg.iou_thr, cfg.top_k)
    scores, best = pick_best(scores, cfg.max_per_img, params.get('fixed_rows', False))
    index = index.gather(1, best)
    dets = torch.cat([gather_rows(boxes, index), scores[..., None]], -1)
    return dets, labels.gather(1, best), gather_rows(coeffs, index)


def fast_nms(boxes: Tensor, scores: Tensor, score_threshold: float, iou_threshold: float,
             top_k: int) -> tuple[Tensor, Tensor, Tensor]:
    """YOLACT's Fast NMS for a batch: a box goes if any better one of its class overlaps it.

    Args:
        boxes (Tensor): (B, L, 4).
        scores (Tensor): (B, L, C).
        top_k (int): Candidates of a class.

    Returns:
        tuple: Scores, 0 for suppressed candidates, labels and locations, (B, C * K).
    """
    batch, classes = scores.shape[0], scores.shape[2]
    best, index = scores.transpose(1, 2).topk(top_k, dim=2)
    candidates = gather_rows(boxes, index.flatten(1)).reshape(batch, classes, -1, 4)
    rank = torch.arange(index.shape[2], device=boxes.device)
    better = (rank[:, None] < rank[None]).to(boxes)
    overlap = (bbox_overlaps(candidates, candidates) * better).max(2)[0]
    keep = (overlap <= iou_threshold) & (best > score_threshold)
    labels = torch.arange(classes, device=boxes.device)[:, None].expand_as(index)
    return (best * keep.to(best)).flatten(1), labels.flatten(1), index.flatten(1)


@FUNCTION_REWRITER.register_rewriter(
    'mmdet.models.dense_heads.yolact_head.YOLACTProtonet.predict')
def yolact_protonet__predict(self, x: tuple[Tensor], batch_data_samples, rescale: bool = False,
                             results_list=None, **kwargs) -> tuple[Tensor, ...]:
    """Masks of what the box head kept, at input size; raw exports get the prototypes.

    As in mmdet, they are cut at their boxes, one prototype pixel wider, before they are resampled.
    """
    params = get_post_processing_params(FUNCTION_REWRITER.get_context().cfg)
    protos = self.protonet(x[0])
    if params.get('raw', False):
        return *results_list, raw_prototypes(protos, params)
    dets, labels, coeffs = results_list
    height, width = batch_data_samples[0].metainfo['img_shape']
    masks = decode(protos, coeffs).sigmoid()
    masks = masks * _inside(dets[..., :4], masks.shape[-2:], (height, width)).to(masks)
    if params.get('mask_at_input', True):
        masks = F.interpolate(masks, size=(height, width), mode='bilinear', align_corners=False)
    return dets, labels, masks


def _inside(boxes: Tensor, mask_size: tuple, input_size: tuple, padding: int = 1) -> Tensor:
    """Which mask pixels are inside boxes (B, N, 4) of the input, as ``crop_single`` has it."""
    inside = []
    for axis in (1, 0):  # y, then x
        length = mask_size[1 - axis]
        scale = length / input_size[1 - axis]
        low = boxes[..., axis, None] * scale - padding
        high = boxes[..., axis + 2, None] * scale + padding
        pixel = torch.arange(length, device=boxes.device).to(boxes)
        inside.append((pixel >= low) & (pixel < high))
    return inside[0][..., :, None] & inside[1][..., None, :]
