"""The loss: weighted Dice, weighted cross-entropy, and a boundary term."""
import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor
from torch.nn import functional


def class_weights(target: Tensor, num_classes: int) -> Tensor:
    """w_c = |Omega| / (C n_c), scaled to sum to C; 0 for a class without a voxel.

    An absent class would otherwise take all of the weight.

    Args:
        target (Tensor): Labels (B, D, H, W).
        num_classes (int): C.

    Returns:
        Tensor: (C,), sums to C.
    """
    count = torch.bincount(target.flatten(), minlength=num_classes).float()
    weight = torch.where(count > 0, target.numel() / (num_classes * count.clamp(min=1)), 0.)
    return weight * num_classes / weight.sum()


def boundary_band(one_hot: Tensor) -> Tensor:
    """Dilation less erosion by 3x3x3, per class: 1 in the two-voxel band around each border.

    Args:
        one_hot (Tensor): (B, C, D, H, W) of 0 and 1.
    """
    dilated = functional.max_pool3d(one_hot, 3, 1, 1)
    eroded = -functional.max_pool3d(-one_hot, 3, 1, 1)
    return dilated - eroded


@MODELS.register_module()
class LightMedSegLoss(BaseModule):
    """L = dice_weight L_dice + ce_weight L_ce + boundary_weight L_bdry.

    With p = softmax(logits), one-hot y and the weights w of :func:`class_weights`:
    ``L_dice = 1/C sum_c w_c (1 - mean_b (2 sum p y + eps) / (sum p + sum y + eps))``, ``L_ce`` the
    weighted cross-entropy, ``L_bdry`` the binary cross-entropy per class inside
    :func:`boundary_band`, averaged per item and class, then weighted. The paper's own terms and
    weights are unknown; these follow a public re-implementation.

    Args:
        dice_weight, ce_weight, boundary_weight (float): Weights of the terms.
        balance_classes (bool): False sets all w_c to 1.
        eps (float): Of the Dice term.

    Shape: logits (B, C, D, H, W), target (B, D, H, W) of int64 in [0, C) -> dict of scalars
    ``loss_dice``, ``loss_ce``, ``loss_boundary``.
    """

    def __init__(self, dice_weight: float = 1.0, ce_weight: float = 1.0,
                 boundary_weight: float = 0.5, balance_classes: bool = True, eps: float = 2e-5,
                 init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.dice_weight = dice_weight
        self.ce_weight = ce_weight
        self.boundary_weight = boundary_weight
        self.balance_classes = balance_classes
        self.eps = eps

    def forward(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        # Sums over a volume do not fit into half precisions.
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        num_classes = logits.shape[1]
        one_hot = functional.one_hot(target, num_classes).movedim(-1, 1).to(logits.dtype)
        weight = class_weights(target, num_classes).to(logits.dtype) if self.balance_classes \
            else logits.new_ones(num_classes)
        losses = dict(
            loss_dice=self.dice_weight * self._dice(logits.softmax(1), one_hot, weight),
            loss_ce=self.ce_weight * functional.cross_entropy(logits, target, weight))
        if self.boundary_weight:
            losses['loss_boundary'] = self.boundary_weight * self._boundary(
                logits, one_hot, weight)
        return losses

    def _dice(self, probs: Tensor, one_hot: Tensor, weight: Tensor) -> Tensor:
        overlap = (probs * one_hot).sum(dim=(2, 3, 4))
        total = probs.sum(dim=(2, 3, 4)) + one_hot.sum(dim=(2, 3, 4))
        dice = (2 * overlap + self.eps) / (total + self.eps)
        return (weight * (1 - dice.mean(dim=0))).mean()

    @staticmethod
    def _boundary(logits: Tensor, one_hot: Tensor, weight: Tensor) -> Tensor:
        band = boundary_band(one_hot)
        error = functional.binary_cross_entropy_with_logits(logits, one_hot, reduction='none')
        per_class = (error * band).sum(dim=(2, 3, 4)) / band.sum(dim=(2, 3, 4)).clamp(min=1)
        return (per_class * weight).mean()
