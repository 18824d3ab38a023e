"""mmdet's proposals and second stage, for export, as PyTorch picks them.

MMDeploy 1.3.1 suppresses proposals of all levels together and drops those under its own score of
0.05, where mmdet suppresses each level by itself and drops none; and it gives every class of a
proposal the box of the likeliest class. About one in five instances then differs from PyTorch.
"""
from __future__ import annotations

import torch
from mmdeploy.codebase.mmdet.deploy import get_post_processing_params
from mmdeploy.core import FUNCTION_REWRITER
from mmdeploy.utils import Backend
from torch import Tensor

from medseg.deploy.graph_postprocess import gather_rows, keep_by_nms, pick_best, rows_of


@FUNCTION_REWRITER.register_rewriter(
    'mmdet.models.dense_heads.rpn_head.RPNHead.predict_by_feat', backend=Backend.ONNXRUNTIME.value)
def rpn_head__predict_by_feat(self, cls_scores: list[Tensor], bbox_preds: list[Tensor],
                              score_factors=None, batch_img_metas: list[dict] | None = None,
                              cfg=None, rescale: bool = False, with_nms: bool = True, **kwargs
                              ) -> tuple[Tensor, Tensor]:
    """Proposals of a batch.

    Returns:
        tuple: dets (B, N, 5) as x1, y1, x2, y2, score, and labels (B, N), all 0; rows with score 0
        are none, and their boxes have no area.
    """
    params = get_post_processing_params(FUNCTION_REWRITER.get_context().cfg)
    cfg = self.test_cfg if cfg is None else cfg
    priors = self.prior_generator.grid_priors(
        [scores.shape[-2:] for scores in cls_scores], device=cls_scores[0].device)
    levels = []
    for level, maps in enumerate(zip(cls_scores, bbox_preds, priors, strict=True)):
        scores, deltas, prior = maps
        scores = rows_of(scores, self.cls_out_channels)
        scores = scores.sigmoid() if self.use_sigmoid_cls else scores.softmax(-1)[..., :1]
        rows = [scores, rows_of(deltas, 4), prior[None].expand(scores.shape[0], -1, -1)]
        if cfg.get('nms_pre', -1) > 0:
            index = scores[..., 0].topk(cfg.nms_pre, dim=1)[1]
            rows = [gather_rows(values, index) for values in rows]
        levels.append((*rows, torch.full_like(rows[0], level)))
    scores, deltas, priors, level = (torch.cat(rows, 1) for rows in zip(*levels, strict=True))
    boxes = self.bbox_coder.decode(priors, deltas, max_shape=batch_img_metas[0]['img_shape'])
    scores, level = scores[..., 0], level[..., 0]
    smallest = cfg.get('min_bbox_size', -1)
    if smallest >= 0:
        scores = scores * ((boxes[..., 2:] - boxes[..., :2]) > smallest).all(-1).to(scores)
    scores = keep_by_nms(boxes, scores, level, cfg.nms.iou_threshold, 0.0, cfg.max_per_img)
    scores, best = pick_best(scores, cfg.max_per_img, params.get('fixed_rows', False))
    boxes = gather_rows(boxes, best) * (scores > 0)[..., None].to(boxes)
    return torch.cat([boxes, scores[..., None]], -1), torch.zeros_like(best)


@FUNCTION_REWRITER.register_rewriter(
    'mmdet.models.roi_heads.bbox_heads.bbox_head.BBoxHead.predict_by_feat',
    backend=Backend.ONNXRUNTIME.value)
def bbox_head__predict_by_feat(self, rois: Tensor, cls_scores: Tensor, bbox_preds: Tensor | None,
                               batch_img_metas: list[dict], rcnn_test_cfg=None,
                               rescale: bool = False) -> tuple[Tensor, Tensor]:
    """Objects of a batch: every class of a proposal with a box of its own.

    Args:
        rois (Tensor): (B, N, 5), the index of the image and a box.
        cls_scores (Tensor): (B, N, classes + 1) logits.
        bbox_preds (Tensor, optional): (B, N, 4 * classes) or (B, N, 4).

    Returns:
        tuple: dets (B, M, 5) and labels (B, M); rows with score 0 are none.
    """
    params = get_post_processing_params(FUNCTION_REWRITER.get_context().cfg)
    proposals, classes = rois[..., 1:], self.num_classes
    scores = self.loss_cls.get_activation(cls_scores) if self.custom_cls_channels else \
        cls_scores.softmax(-1)
    batch = scores.shape[0]
    boxes = proposals if bbox_preds is None else self.bbox_coder.decode(
        proposals, bbox_preds, max_shape=batch_img_metas[0]['img_shape'])
    boxes = boxes.reshape(batch, -1, boxes.shape[-1] // 4, 4).expand(-1, -1, classes, -1).reshape(
        batch, -1, 4)
    # Rows that fill up the proposals of a batch have no area.
    real = (proposals[..., 2:] > proposals[..., :2]).all(-1, keepdim=True)
    scores = scores[..., :classes] * real.to(scores)
    labels = torch.arange(classes, device=scores.device).expand(*scores.shape).reshape(batch, -1)
    scores, index = scores.reshape(batch, -1).topk(params.pre_top_k, dim=1)
    boxes, labels = gather_rows(boxes, index), labels.gather(1, index)
    scores = keep_by_nms(boxes, scores, labels, rcnn_test_cfg.nms.iou_threshold,
                         rcnn_test_cfg.score_thr, rcnn_test_cfg.max_per_img)
    scores, best = pick_best(scores, rcnn_test_cfg.max_per_img, params.get('fixed_rows', False))
    return torch.cat([gather_rows(boxes, best), scores[..., None]], -1), labels.gather(1, best)
