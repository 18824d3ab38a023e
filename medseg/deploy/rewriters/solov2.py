"""mmdet's SOLOv2, for export, as PyTorch picks its instances and for a whole batch.

MMDeploy 1.3.1 keeps the likeliest class of each place alone, where mmdet keeps every class above
the threshold, and takes one image. With four classes about one in ten instances differs then.
"""
from __future__ import annotations

import torch
import torch.nn.functional as F
from mmdeploy.codebase.mmdet.deploy import get_post_processing_params
from mmdeploy.core import FUNCTION_REWRITER
from mmdeploy.utils import Backend
from torch import Tensor

from medseg.deploy.graph_postprocess import gather_rows, pick_best, rows_of, select_candidates
from medseg.errors import UserError


@FUNCTION_REWRITER.register_rewriter(
    'mmdet.models.dense_heads.solov2_head.SOLOV2Head.predict_by_feat',
    backend=Backend.ONNXRUNTIME.value)
def solov2_head__predict_by_feat(self, mlvl_kernel_preds: list[Tensor],
                                 mlvl_cls_scores: list[Tensor], mask_feats: Tensor,
                                 batch_img_metas: list[dict], **kwargs) -> tuple[Tensor, ...]:
    """Instances of a batch.

    Args:
        mlvl_kernel_preds (list[Tensor]): (B, P, S, S) for each level of S x S places.
        mlvl_cls_scores (list[Tensor]): (B, C, S, S) logits.
        mask_feats (Tensor): (B, P, h, w).

    Returns:
        tuple: dets (B, N, 5), whose boxes are 0, labels (B, N), and masks (B, N, H, W), 0 to 1;
        rows with score 0 are none.
    """
    params = get_post_processing_params(FUNCTION_REWRITER.get_context().cfg)
    cfg = self.test_cfg
    if self.dynamic_conv_size != 1:
        raise UserError(f'SOLOv2 with dynamic_conv_size={self.dynamic_conv_size} cannot be '
                        'exported; only 1x1 kernels can')
    scores, kernels, least = [], [], []
    for cls, kernel, stride in zip(mlvl_cls_scores, mlvl_kernel_preds, self.strides, strict=True):
        cls = cls.sigmoid()
        peaks = F.max_pool2d(cls, 2, stride=1, padding=1)[:, :, :-1, :-1] == cls
        scores.append(rows_of(cls * peaks.to(cls), self.cls_out_channels))
        kernels.append(rows_of(kernel, self.kernel_out_channels))
        least.append(torch.full_like(scores[-1][..., 0], stride))
    scores, kernels, least = (torch.cat(rows, 1) for rows in (scores, kernels, least))
    height, width = mask_feats.shape[-2:]
    values = (kernels @ mask_feats.flatten(2)).sigmoid()
    masks = (values > cfg.mask_thr).to(values)
    area = masks.sum(-1)
    sure = (values * masks).sum(-1) / area.clamp(min=1)
    scores = scores * (scores > cfg.score_thr).to(scores) * (sure * (area > least).to(sure))[
        ..., None]
    scores, labels, places = select_candidates(scores, cfg.nms_pre)
    scores = scores * matrix_nms_decay(
        gather_rows(masks, places), labels, area.gather(1, places), cfg.kernel, cfg.sigma)
    scores = scores * (scores >= cfg.filter_thr).to(scores)
    scores, best = pick_best(scores, cfg.max_per_img, params.get('fixed_rows', False))
    values = gather_rows(values, places.gather(1, best))
    values = values.reshape(values.shape[0], -1, height, width)
    if params.get('export_postprocess_mask', True):
        values = F.interpolate(
            values, size=(height * self.mask_stride, width * self.mask_stride), mode='bilinear',
            align_corners=False)
    boxes = torch.zeros_like(scores)[..., None].expand(-1, -1, 4)
    return torch.cat([boxes, scores[..., None]], -1), labels.gather(1, best), values


def matrix_nms_decay(masks: Tensor, labels: Tensor, area: Tensor, kernel: str, sigma: float
                     ) -> Tensor:
    """Matrix NMS (SOLOv2, Eq. 5): what each score is multiplied by, 0 to 1.

    Args:
        masks (Tensor): (B, K, P), 0 or 1, by descending score.
        labels, area (Tensor): (B, K).
        kernel (str): ``gaussian`` or ``linear``.
        sigma (float): Of the gaussian.

    Returns:
        Tensor: (B, K).
    """
    common = masks @ masks.transpose(1, 2)
    iou = common / (area[:, None] + area[:, :, None] - common).clamp(min=1)
    rank = torch.arange(labels.shape[1], device=masks.device)
    better = (rank[:, None] < rank[None]) & (labels[:, :, None] == labels[:, None])
    iou = iou * better.to(iou)
    # How far the better one is itself suppressed, by its own best overlap.
    own = iou.max(1)[0][:, :, None]
    if kernel == 'gaussian':
        return (torch.exp(-sigma * iou ** 2) / torch.exp(-sigma * own ** 2)).min(1)[0]
    return ((1 - iou) / (1 - own).clamp(min=1e-6)).min(1)[0]
