"""The edge stream on the map that prototypes are decoded from (Eq. 22)."""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from torch import Tensor, nn

from medseg.models.masks import valid_area

from .sobel import sobel


def edge_map(masks: Tensor) -> Tensor:
    """Pixels of a mask that touch its outside (8 neighbours): the inner outline, one pixel wide.

    The image's rim is no outline, as the anatomy goes on behind it.

    Args:
        masks (Tensor): (..., H, W) of 0 and 1.

    Returns:
        Tensor: The same shape, float, 0 and 1.
    """
    flat = masks.float().reshape(-1, 1, *masks.shape[-2:])
    eroded = -F.max_pool2d(-flat, 3, 1, 1)
    return (flat - eroded).reshape(masks.shape)


def balanced_cross_entropy(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Binary cross entropy, the mean over edges and the mean over the rest in equal parts.

    Edges are the fewer the larger the image; with a plain mean the same weight would mean less
    and less (class balancing as in HED, Xie & Tu 2015).

    Args:
        logits, target, valid (Tensor): (B, 1, H, W); target and valid of 0 and 1.

    Returns:
        Tensor: Scalar; ln 2 for logits of 0.
    """
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction='none')
    parts = [(loss * weight).sum() / weight.sum()
             for weight in (target * valid, (1 - target) * valid) if weight.any()]
    return sum(parts) / len(parts) if parts else logits.sum() * 0


@MODELS.register_module()
class EdgeLoss(nn.Module):
    r"""Edge supervision of G, training only (Eq. 22).

    .. math::
        E = Conv_{1\times1}(\nabla_{Sobel}(G)), \quad
        \mathcal L_{edge} = \lambda_{edge}\, BCEWithLogits(E, Edge(Y))

    G is the map that prototypes are decoded from: LMSH's aggregation in the equation wiring, N3 in
    the release wiring. The gradient's magnitude goes into the convolution, since the two sides of
    a structure have gradients of opposite sign and are edges alike. Edge(Y) is the union of the
    instances' outlines, drawn at twice G's size and pooled to it, so that thin structures stay.

    Args:
        in_channels (int): Channels of G, 64 at size n.
        loss_weight (float): :math:`\lambda_{edge}`. Open in the paper; 0.2, as for Eq. 16: the
            term starts at ln 2 whatever the image's size.
    """

    def __init__(self, in_channels: int, loss_weight: float = 0.2) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 1, 1)
        self.loss_weight = loss_weight

    def forward(self, feats: Sequence[Tensor], mask_feats: Tensor, images: Tensor,
                batch_data_samples: SampleList) -> Tensor:
        """Weighted loss, scalar.

        Args:
            feats (Sequence[Tensor]): Not used.
            mask_feats (Tensor): G, (B, C, H, W).
            images (Tensor): Preprocessed images; not used but for their size.
            batch_data_samples (list[DetDataSample]): Masks and unpadded sizes.
        """
        size = mask_feats.shape[-2:]
        # At least single precision, also under AMP.
        full = torch.promote_types(mask_feats.dtype, torch.float32)
        gradient = sobel(mask_feats.to(full))
        # The root has no derivative at 0, where the map is flat.
        magnitude = (gradient.unflatten(1, (-1, 2)).square().sum(2) + 1e-8).sqrt()
        target = torch.stack([self._target(sample.gt_instances, size, mask_feats.device)
                              for sample in batch_data_samples])
        valid = valid_area(batch_data_samples, size, images)
        return self.loss_weight * balanced_cross_entropy(
            self.conv(magnitude).to(full), target.to(full), valid.to(full))

    @staticmethod
    def _target(gt_instances, size: tuple[int, int], device: torch.device) -> Tensor:
        """Edge(Y) of one image, (1, H, W) of 0 and 1."""
        fine = (2 * size[0], 2 * size[1])
        if not len(gt_instances):
            return torch.zeros(1, *size, device=device)
        masks = gt_instances.masks.resize(fine).to_tensor(torch.float32, device)
        return F.max_pool2d(edge_map(masks).amax(0, keepdim=True), 2)
