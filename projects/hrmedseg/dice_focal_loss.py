"""HRMedSeg's loss: Dice over the whole batch, and cross-entropy weighted by its own size."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class DiceFocalLoss(nn.Module):
    """``dice_weight * dice + focal_weight * focal`` of sigmoid masks.

    With p the probabilities and y the truth of a class, sums over all pixels of all images of the
    batch, and b the mean binary cross-entropy::

        dice  = 1 - (2 sum(p y) + 1) / (sum p + sum y + 1)
        focal = alpha (1 - exp(-b))^gamma b

    The focal factor is of the mean, not of each pixel, as in the authors' code. Several classes
    are averaged; one class is the paper's loss. Cross-entropy is computed from the logits.

    Args:
        dice_weight, focal_weight (float): Of the two terms.
        alpha, gamma (float): Of the focal term.
    """

    def __init__(self, dice_weight: float = 0.8, focal_weight: float = 0.2, alpha: float = 0.8,
                 gamma: float = 2.0) -> None:
        super().__init__()
        self.dice_weight, self.focal_weight = dice_weight, focal_weight
        self.alpha, self.gamma = alpha, gamma

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor) -> dict[str, Tensor]:
        """The weighted terms; their sum is the loss.

        Args:
            logits (Tensor): (B, K, H, W).
            target (Tensor): 0 or 1, (B, K, H, W).
            valid (Tensor): 1 where a pixel counts, else 0, (B, 1, H, W).

        Returns:
            dict[str, Tensor]: ``loss_dice`` and ``loss_focal``.
        """
        logits, target, valid = logits.float(), target.float(), valid.float()
        probability = logits.sigmoid() * valid
        target = target * valid
        pixels = (0, 2, 3)
        common = (probability * target).sum(pixels)
        dice = 1 - (2 * common + 1) / (probability.sum(pixels) + target.sum(pixels) + 1)
        entropy = F.binary_cross_entropy_with_logits(logits, target, valid.expand_as(logits),
                                                     reduction='none').sum(pixels)
        entropy = entropy / valid.sum().clamp(min=1)
        focal = self.alpha * (1 - torch.exp(-entropy)) ** self.gamma * entropy
        return dict(loss_dice=self.dice_weight * dice.mean(),
                    loss_focal=self.focal_weight * focal.mean())
