"""NMS and masks as operations that export to standard ONNX operators."""
from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmdeploy.mmcv.ops.nms import ONNXNMSop
from torch import Tensor


def gather_rows(values: Tensor, indices: Tensor) -> Tensor:
    """Rows of (B, L, D) by indices (B, K): (B, K, D).

    One ``Gather`` over the rows of all images, as OpenVINO 2025.4 mistreats ``GatherElements``
    behind a ``Slice`` of dynamic size.
    """
    batch, length, channels = values.shape
    offsets = torch.arange(batch, device=indices.device)[:, None] * length
    rows = values.reshape(-1, channels).index_select(0, (indices + offsets).reshape(-1))
    return rows.reshape(batch, -1, channels)


def rows_of(maps: Tensor, channels: int) -> Tensor:
    """A level's maps (B, A * channels, H, W) as rows (B, H * W * A, channels)."""
    return maps.permute(0, 2, 3, 1).reshape(maps.shape[0], -1, channels)


def select_candidates(scores: Tensor, nms_pre: int) -> tuple[Tensor, Tensor, Tensor]:
    """The best pairs of location and class, as mmdet's ``filter_scores_and_topk`` picks them.

    Args:
        scores (Tensor): (B, L, C), 0 to 1.
        nms_pre (int): How many pairs of an image go on; -1 for all.

    Returns:
        tuple: Scores (B, K), descending, labels (B, K) and locations (B, K).
    """
    batch, _, classes = scores.shape
    flat = scores.reshape(batch, -1)
    # A traced topk is limited to what a small input has (MMDeploy's rewriter).
    best, index = flat.topk(nms_pre if nms_pre > 0 else flat.shape[1], dim=1)
    return best, index % classes, index // classes


def keep_by_nms(boxes: Tensor, scores: Tensor, labels: Tensor, iou_threshold: float,
                score_threshold: float, max_per_img: int) -> Tensor:
    """NMS within each class, by one ``NonMaxSuppression`` for the whole batch.

    Boxes of different classes are moved apart, which is what mmcv's ``batched_nms`` does.

    Args:
        boxes (Tensor): (B, K, 4), x1, y1, x2, y2.
        scores, labels (Tensor): (B, K).

    Returns:
        Tensor: Scores (B, K), 0 where a box is suppressed or at most ``score_threshold``.
    """
    offsets = labels.to(boxes) * (boxes.max() + 1)
    picked = ONNXNMSop.apply(boxes + offsets[..., None], scores[:, None], int(max_per_img),
                             float(iou_threshold), float(score_threshold))
    keep = torch.zeros_like(scores)
    keep[picked[:, 0], picked[:, 2]] = 1.0
    return scores * keep


def pick_best(scores: Tensor, max_per_img: int, fixed: bool) -> tuple[Tensor, Tensor]:
    """Indices of the best of (B, K).

    Args:
        max_per_img (int): At most so many.
        fixed (bool): Always so many rows, for backends that want fixed shapes. Otherwise as many
            as the fullest image of the batch has, but at least one, because backends differ in
            what they make of empty tensors.

    Returns:
        tuple: Scores and indices, (B, N); rows with score 0 are none.
    """
    best, index = scores.topk(max_per_img, dim=1)
    if not fixed:
        count = (best > 0).sum(1).max().clamp(min=1)
        best, index = best[:, :count], index[:, :count]
    return best, index


def clip(boxes: Tensor, size: Tensor | Sequence[int]) -> Tensor:
    """Boxes (..., 4) inside an image of ``size`` (height, width), which may be traced."""
    height, width = size[0], size[1]
    if isinstance(size, Tensor):
        limit = torch.stack([width, height, width, height]).to(boxes)
    else:
        limit = boxes.new_tensor([width, height, width, height])
    return torch.minimum(boxes.clamp(min=0), limit)


def raw_prototypes(prototypes: Tensor, params: dict) -> Tensor:
    """Prototypes (B, P, h, w) as a raw export gives them.

    With ``prototypes_last`` of ``post_processing`` they are (B, h, w, P), the order in which
    runtimes on processors keep maps in memory.
    """
    return prototypes.permute(0, 2, 3, 1) if params.get('prototypes_last', False) else prototypes


def decode(prototypes: Tensor, coefficients: Tensor) -> Tensor:
    """Mask logits (B, N, h, w) from prototypes (B, P, h, w) and coefficients (B, N, P)."""
    batch, channels, height, width = prototypes.shape
    logits = coefficients @ prototypes.reshape(batch, channels, -1)
    return logits.reshape(batch, -1, height, width)


def crop(masks: Tensor, boxes: Tensor, margin: float = 0.0) -> Tensor:
    """Zero outside the boxes; a pixel belongs to a box when its centre does.

    Args:
        masks (Tensor): (B, N, H, W).
        boxes (Tensor): (B, N, 4), in pixels of the masks.
        margin (float): How much wider, in pixels of the masks.
    """
    inside = []
    for axis, length in ((1, masks.shape[-2]), (0, masks.shape[-1])):  # y, then x
        centre = torch.arange(length, device=masks.device).to(masks) + 0.5
        low, high = boxes[..., axis, None] - margin, boxes[..., axis + 2, None] + margin
        inside.append((centre >= low) & (centre < high))
    return masks * (inside[0][..., :, None] & inside[1][..., None, :]).to(masks)


def masks_of(prototypes: Tensor, coefficients: Tensor, boxes: Tensor, size: tuple,
             at_input: bool) -> Tensor:
    """Probabilities of the masks.

    Args:
        prototypes (Tensor): (B, P, h, w).
        coefficients (Tensor): (B, N, P).
        boxes (Tensor): (B, N, 4), input pixels.
        size (tuple): Height and width of the input.
        at_input (bool): At input resolution and zero outside the boxes. One pixel around each
            stays, so that a reader who resamples to the image and cuts there gets what PyTorch
            gives. Otherwise at the prototypes' resolution and uncut, a sixteenth of the work.

    Returns:
        Tensor: (B, N, H, W) or (B, N, h, w), 0 to 1.
    """
    logits = decode(prototypes, coefficients)
    if not at_input:
        return logits.sigmoid()
    logits = F.interpolate(logits, size=(size[0], size[1]), mode='bilinear', align_corners=False)
    return crop(logits.sigmoid(), boxes, margin=1.0)
