"""Edges of the finest map follow those of the image (Eq. 16)."""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from torch import Tensor, nn

from medseg.models.masks import valid_area

from .sobel import sobel


def gradient_distance(feature: Tensor, image: Tensor, valid: Tensor, eps: float = 1e-3) -> Tensor:
    r"""Relative L1 distance of Sobel gradients:
    :math:`\lVert \nabla f - \nabla I \rVert_1 / \lVert \nabla I \rVert_1`, both over valid pixels.

    0 if the gradients are equal, 1 if ``feature`` is constant. The division makes the value, and
    with it the weight of the loss, independent of the number of pixels, of the image's contrast
    and of the units it is normalised to.

    Args:
        feature (Tensor): (B, 1, H, W).
        image (Tensor): (B, 1, H, W).
        valid (Tensor): (B, 1, H, W) of 0 and 1.
        eps (float): Least mean gradient that is divided by, for images without any structure.

    Returns:
        Tensor: Mean over the images, scalar, at least 0.
    """
    target = sobel(image)
    area = 2 * valid.sum((1, 2, 3)).clamp(min=1)
    difference = ((sobel(feature) - target).abs() * valid).sum((1, 2, 3)) / area
    strength = (target.abs() * valid).sum((1, 2, 3)) / area
    return (difference / strength.clamp(min=eps)).mean()


@MODELS.register_module()
class GradientConsistencyLoss(nn.Module):
    r"""Gradient consistency, training only (Eq. 16).

    .. math::
        \mathcal L_{gc} = \lambda_{gc} \lVert \nabla_{Sobel}(\tilde F_3^{edge}) -
        \nabla_{Sobel}(I) \rVert_1

    with :math:`\tilde F_3^{edge}` a 1x1 projection of the finest map to one channel. The paper
    leaves open at which size, of which image channel and how the norm is scaled. Here I is the
    mean of the input's channels, averaged down to the map's size (an average has no aliased
    edges), and the norm is relative: see :func:`gradient_distance`.

    Args:
        in_channels (int): Channels of the finest map, 64 at size n.
        loss_weight (float): :math:`\lambda_{gc}`. Open in the paper. The term starts at about 1
            whatever the images are; 0.2 makes it some 4 % of the head's losses of a new model,
            a hint and not the aim.
        index (int): Which of the neck's maps.
    """

    def __init__(self, in_channels: int, loss_weight: float = 0.2, index: int = 0) -> None:
        super().__init__()
        self.projection = nn.Conv2d(in_channels, 1, 1)
        self.loss_weight = loss_weight
        self.index = index

    def forward(self, feats: Sequence[Tensor], mask_feats: Tensor, images: Tensor,
                batch_data_samples: SampleList) -> Tensor:
        """Weighted loss, scalar.

        Args:
            feats (Sequence[Tensor]): Maps of the neck, (B, C_i, H_i, W_i).
            mask_feats (Tensor): Not used.
            images (Tensor): Preprocessed images, (B, C, H, W).
            batch_data_samples (list[DetDataSample]): Their unpadded sizes.
        """
        edges = self.projection(feats[self.index])
        # At least single precision, also under AMP.
        edges = edges.to(torch.promote_types(edges.dtype, torch.float32))
        size = edges.shape[-2:]
        grey = F.interpolate(images.mean(1, keepdim=True).to(edges.dtype), size=size, mode='area')
        # The padding's rim is no edge of the image: what touches it is left out.
        valid = -F.max_pool2d(-valid_area(batch_data_samples, size, images), 3, 1, 1).to(
            edges.dtype)
        return self.loss_weight * gradient_distance(edges, grey, valid)
