"""Complete IoU, and its loss that survives a perfect prediction."""
import math

import torch
from mmdet.models.losses.utils import weighted_loss
from mmdet.registry import MODELS
from torch import Tensor, nn


def complete_iou(pred: Tensor, target: Tensor, eps: float = 1e-7,
                 aspect_from: float = -1.0) -> tuple[Tensor, Tensor]:
    r"""CIoU and IoU of paired boxes (Zheng et al., AAAI 2020).

    .. math::
        CIoU = IoU - \rho^2 / c^2 - \alpha v, \quad
        v = \frac{4}{\pi^2} (\arctan\frac{w_t}{h_t} - \arctan\frac{w}{h})^2, \quad
        \alpha = [IoU > a]\, v / (1 - IoU + v + \epsilon)

    Args:
        pred (Tensor): Boxes x1, y1, x2, y2, (N, 4).
        target (Tensor): Boxes, (N, 4).
        eps (float): Keeps the denominators off zero.
        aspect_from (float): The overlap a above which the aspect ratio counts. The paper and mmdet
            have 0.5; a negative value counts it always, as YOLOv8 does.

    Returns:
        tuple[Tensor, Tensor]: CIoU (N,), 1 for equal boxes, above -2, and IoU (N,), in 0..1.
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
        alpha = (iou > aspect_from) * v / (1 - iou + v + eps)
    return iou - distance - alpha * v, iou


@weighted_loss
def stable_ciou_loss(pred: Tensor, target: Tensor, eps: float = 1e-7,
                     aspect_from: float = 0.5) -> Tensor:
    """1 - CIoU of paired boxes, see :func:`complete_iou`.

    mmdet's ``ciou_loss`` has no epsilon in alpha and gives NaN where prediction and target are
    equal to rounding (0 / 0); one such box would end a training.

    Returns:
        Tensor: (N,), 0 for equal boxes, below 3.
    """
    return 1 - complete_iou(pred, target, eps, aspect_from)[0]


@MODELS.register_module()
class StableCIoULoss(nn.Module):
    """Weighted :func:`stable_ciou_loss`.

    Args:
        loss_weight (float): Weight of the loss.
        reduction (str): ``mean`` or ``sum``.
        eps (float): Keeps the denominators off zero.
        aspect_from (float): See :func:`complete_iou`.
    """

    def __init__(self, loss_weight: float = 1.0, reduction: str = 'mean',
                 eps: float = 1e-7, aspect_from: float = 0.5) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.reduction = reduction
        self.eps = eps
        self.aspect_from = aspect_from

    def forward(self, pred: Tensor, target: Tensor, weight: Tensor | None = None,
                avg_factor: Tensor | float | None = None) -> Tensor:
        """Loss of boxes (N, 4) with weights (N,), divided by ``avg_factor``."""
        return self.loss_weight * stable_ciou_loss(
            pred, target, weight, reduction=self.reduction, avg_factor=avg_factor, eps=self.eps,
            aspect_from=self.aspect_from)
