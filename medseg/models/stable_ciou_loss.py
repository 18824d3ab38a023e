"""Complete-IoU loss that survives a perfect prediction."""
import math

import torch
from mmdet.models.losses.utils import weighted_loss
from mmdet.registry import MODELS
from torch import Tensor, nn


@weighted_loss
def stable_ciou_loss(pred: Tensor, target: Tensor, eps: float = 1e-7) -> Tensor:
    r"""1 - CIoU of paired boxes (Zheng et al., AAAI 2020).

    .. math::
        L = 1 - IoU + \rho^2 / c^2 + \alpha v, \quad
        v = \frac{4}{\pi^2} (\arctan\frac{w_t}{h_t} - \arctan\frac{w}{h})^2, \quad
        \alpha = [IoU > 0.5]\, v / (1 - IoU + v + \epsilon)

    mmdet's ``ciou_loss`` has no epsilon in alpha and gives NaN where prediction and target are
    equal to rounding (0 / 0); one such box would end a training.

    Args:
        pred (Tensor): Boxes x1, y1, x2, y2, (N, 4).
        target (Tensor): Boxes, (N, 4).
        eps (float): Keeps the denominators off zero.

    Returns:
        Tensor: (N,), 0 for equal boxes, below 3.
    """
    size = (pred[:, 2:] - pred[:, :2]).clamp(min=0)
    target_size = (target[:, 2:] - target[:, :2]).clamp(min=0)
    top_left, bottom_right = (torch.max(pred[:, :2], target[:, :2]),
                              torch.min(pred[:, 2:], target[:, 2:]))
    overlap = (bottom_right - top_left).clamp(min=0).prod(1)
    iou = overlap / (size.prod(1) + target_size.prod(1) - overlap + eps)
    hull = torch.max(pred[:, 2:], target[:, 2:]) - torch.min(pred[:, :2], target[:, :2])
    offset = (pred[:, :2] + pred[:, 2:] - target[:, :2] - target[:, 2:]) / 2
    distance = offset.pow(2).sum(1) / (hull.pow(2).sum(1) + eps)
    v = 4 / math.pi ** 2 * (torch.atan(target_size[:, 0] / (target_size[:, 1] + eps))
                            - torch.atan(size[:, 0] / (size[:, 1] + eps))).pow(2)
    with torch.no_grad():
        alpha = (iou > 0.5) * v / (1 - iou + v + eps)
    return 1 - iou + distance + alpha * v


@MODELS.register_module()
class StableCIoULoss(nn.Module):
    """Weighted :func:`stable_ciou_loss`.

    Args:
        loss_weight (float): Weight of the loss.
        reduction (str): ``mean`` or ``sum``.
        eps (float): Keeps the denominators off zero.
    """

    def __init__(self, loss_weight: float = 1.0, reduction: str = 'mean',
                 eps: float = 1e-7) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.reduction = reduction
        self.eps = eps

    def forward(self, pred: Tensor, target: Tensor, weight: Tensor | None = None,
                avg_factor: Tensor | float | None = None) -> Tensor:
        """Loss of boxes (N, 4) with weights (N,), divided by ``avg_factor``."""
        return self.loss_weight * stable_ciou_loss(
            pred, target, weight, reduction=self.reduction, avg_factor=avg_factor, eps=self.eps)
