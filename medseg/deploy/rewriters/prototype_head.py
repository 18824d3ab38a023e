"""Post-processing of this project's prototype heads, for export."""
from __future__ import annotations

import torch
from mmdeploy.codebase.mmdet.deploy import get_post_processing_params
from mmdeploy.core import FUNCTION_REWRITER
from torch import Tensor

from medseg.deploy.exportable_heads import register_head
from medseg.deploy.graph_postprocess import (
    clip,
    gather_rows,
    keep_by_nms,
    masks_of,
    pick_best,
    raw_prototypes,
    select_candidates,
)
from medseg.models.prototype_head import PrototypeHead

register_head(PrototypeHead, raw_outputs=True, prototype_masks=True)


@FUNCTION_REWRITER.register_rewriter(
    'medseg.models.prototype_head.PrototypeHead.predict_by_feat')
def prototype_head__predict_by_feat(self, cls_scores: list[Tensor], bbox_dists: list[Tensor],
                                    coeffs: list[Tensor], protos: Tensor,
                                    batch_img_metas: list[dict], rescale: bool = True,
                                    results_list=None) -> tuple[Tensor, ...]:
    """``PrototypeHead.predict_by_feat`` for a batch, at input size.

    Returns:
        tuple: With ``post_processing.raw``: boxes (B, A, 4), decoded and unclipped, scores
        (B, A, C), coefficients (B, A, P) and prototypes; see :func:`raw_prototypes`. Otherwise
        dets (B, N, 5) as x1, y1, x2, y2, score, labels (B, N) and masks (B, N, H, W); rows with
        score 0 are none.
    """
    params = get_post_processing_params(FUNCTION_REWRITER.get_context().cfg)
    cfg = self.test_cfg
    priors = self._priors(cls_scores)
    scores = self._flatten(cls_scores, self.num_classes).sigmoid()
    boxes = self._decode_boxes(self._flatten(bbox_dists, 4 * self.reg_max), priors)
    coeffs = self._flatten(coeffs, self.num_protos)
    if params.get('raw', False):
        return boxes, scores, coeffs, raw_prototypes(protos, params)

    size = batch_img_metas[0]['img_shape']
    scores, labels, index = select_candidates(scores, cfg.nms_pre)
    boxes = clip(gather_rows(boxes, index), size)
    scores = keep_by_nms(boxes, scores, labels, cfg.nms.iou_threshold, cfg.score_thr,
                         cfg.max_per_img)
    return finish(params, scores, labels, boxes, gather_rows(coeffs, index), protos, size,
                  cfg.max_per_img)


def finish(params: dict, scores: Tensor, labels: Tensor, boxes: Tensor, coeffs: Tensor,
           protos: Tensor, size: tuple, max_per_img: int) -> tuple[Tensor, Tensor, Tensor]:
    """dets, labels and masks of the best candidates.

    Args:
        params (dict): ``post_processing`` of the deploy config.
        scores, labels (Tensor): (B, K), 0 for suppressed candidates.
        boxes, coeffs (Tensor): (B, K, 4), (B, K, P).
        protos (Tensor): (B, P, h, w).
        size (tuple): Height and width of the input.
        max_per_img (int): Rows an image has at most.
    """
    scores, best = pick_best(scores, max_per_img, params.get('fixed_rows', False))
    boxes, coeffs = gather_rows(boxes, best), gather_rows(coeffs, best)
    dets = torch.cat([boxes, scores[..., None]], -1)
    masks = masks_of(protos, coeffs, boxes, size, params.get('mask_at_input', True))
    return dets, labels.gather(1, best), masks
