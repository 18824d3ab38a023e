"""Mask loss of YOLACT and YOLOv8-seg: cross entropy inside the box, normalised by its area."""
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class BoxMaskLoss(nn.Module):
    r"""Binary cross entropy of instance masks inside their boxes.

    For each positive, :math:`\frac{1}{A} \sum_{p \in box} BCE(c^T \cdot proto_p, y_p)`, with A the
    area of the box in prototype pixels; the mean over the positives. Logits are formed only
    for pixels inside boxes: with many small objects the dense map a positive is mostly waste.

    Args:
        loss_weight (float): Weight of the loss.
        chunk (int): Box pixels handled at a time, to bound the memory of the gathered prototypes.
    """

    def __init__(self, loss_weight: float = 1.0, chunk: int = 1 << 20) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.chunk = chunk

    def forward(self, protos: Tensor, coeffs: Tensor, bboxes: Tensor, batch_inds: Tensor,
                gt_masks: Tensor, mask_inds: Tensor) -> Tensor:
        """Sum over the positives of the box-normalised cross entropy (the caller averages).

        Args:
            protos (Tensor): Prototypes, (B, P, h, w).
            coeffs (Tensor): Coefficients of the positives, (N, P).
            bboxes (Tensor): Their ground truth boxes in prototype pixels, (N, 4).
            batch_inds (Tensor): Image of each positive, (N,).
            gt_masks (Tensor): Ground truth masks of the batch in {0, 1}, (M, h, w).
            mask_inds (Tensor): Ground truth of each positive, (N,), in 0..M-1.

        Returns:
            Tensor: Scalar.
        """
        height, width = protos.shape[-2:]
        if len(coeffs) == 0:
            return protos.sum() * 0 + coeffs.sum() * 0
        area = ((bboxes[:, 2] - bboxes[:, 0]) * (bboxes[:, 3] - bboxes[:, 1])).clamp(min=1.0)
        # Pixels whose index lies in [x1, x2) x [y1, y2).
        x1, y1 = bboxes[:, 0].ceil().clamp(0, width), bboxes[:, 1].ceil().clamp(0, height)
        x2, y2 = bboxes[:, 2].ceil().clamp(0, width), bboxes[:, 3].ceil().clamp(0, height)
        box_w, box_h = (x2 - x1).long().clamp(min=0), (y2 - y1).long().clamp(min=0)
        counts = box_w * box_h
        total = protos.new_zeros(())
        flat_protos = protos.permute(0, 2, 3, 1).reshape(-1, protos.shape[1])
        # Group positives so that no gather exceeds the chunk (one huge box may).
        group = (counts.cumsum(0) - counts) // self.chunk
        for g in group.unique().tolist():
            sel = (group == g).nonzero()[:, 0]
            owner = torch.repeat_interleave(sel, counts[sel])
            if len(owner) == 0:
                continue
            first = torch.repeat_interleave(counts[sel].cumsum(0) - counts[sel], counts[sel])
            offset = torch.arange(len(owner), device=owner.device) - first
            rows = y1[owner].long() + offset // box_w[owner]
            cols = x1[owner].long() + offset % box_w[owner]
            pixels = (batch_inds[owner] * height + rows) * width + cols
            logits = (flat_protos[pixels] * coeffs[owner]).sum(1)
            target = gt_masks[mask_inds[owner], rows, cols].to(logits.dtype)
            loss = F.binary_cross_entropy_with_logits(logits, target, reduction='none')
            total = total + (loss / area[owner]).sum()
        return self.loss_weight * total
