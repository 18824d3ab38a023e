"""LQE: localisation quality from the box distribution (GFLv2, Li et al., CVPR 2021)."""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmengine.model import normal_init
from torch import Tensor, nn

from projects.baselines.yolov8_seg_head import YOLOv8SegHead


def joint_logit(cls_logit: Tensor, quality_logit: Tensor) -> Tensor:
    r"""Logit of :math:`\sigma(c)\,\sigma(q)`, without leaving the logits.

    From :math:`\sigma(c)\sigma(q) = 1 / (1 + e^{-c} + e^{-q} + e^{-c-q})` it is
    :math:`-\log(e^{-c} + e^{-q} + e^{-c-q}) = q - softplus(softplus(q) - c)`. It is below both c
    and q.

    Args:
        cls_logit (Tensor): c.
        quality_logit (Tensor): q, of a shape that broadcasts with c's.
    """
    return quality_logit - F.softplus(F.softplus(quality_logit) - cls_logit)


@MODELS.register_module()
class LQEHead(YOLOv8SegHead):
    r"""YOLOv8-seg's head whose class scores are weighted by a predicted box quality.

    A sharp distance distribution means a sure box. The quality predictor of GFLv2, shared by the
    levels, sees the ``top_k`` largest probabilities of each side and their mean
    (4 * (top_k + 1) numbers a location) and gives one quality :math:`I \in (0, 1)`; the joint score
    is :math:`C \cdot I` (Eq. 4-6 of the GFLv2 paper), in training and in inference. ``forward``
    returns its logit as the class map, so that loss, post-processing and export are those of
    every other head.

    Args:
        top_k (int): Probabilities a side; 4 as in GFLv2.
        quality_channels (int): Width of the predictor; 64 as in GFLv2.

    Further arguments: see :class:`PrototypeHead`.
    """

    def __init__(self, num_classes: int, in_channels: Sequence[int], top_k: int = 4,
                 quality_channels: int = 64, **kwargs) -> None:
        super().__init__(num_classes, in_channels, **kwargs)
        if top_k > self.reg_max:
            raise ValueError(f'LQEHead: top_k is {top_k}, but a side has {self.reg_max} bins')
        self.top_k = top_k
        self.quality_predictor = nn.Sequential(
            nn.Conv2d(4 * (top_k + 1), quality_channels, 1), nn.ReLU(inplace=True),
            nn.Conv2d(quality_channels, 1, 1))
        for conv in self.quality_predictor[::2]:
            normal_init(conv, std=0.01)

    def quality_logits(self, bbox_dists: Tensor) -> Tensor:
        """Logits of the box quality, (B, 4 * reg_max, H, W) -> (B, 1, H, W)."""
        batch, _, height, width = bbox_dists.shape
        probs = bbox_dists.reshape(batch, 4, self.reg_max, height, width).softmax(2)
        top = probs.topk(self.top_k, dim=2).values
        statistics = torch.cat([top, top.mean(2, keepdim=True)], dim=2)
        return self.quality_predictor(statistics.flatten(1, 2))

    def forward_level(self, x: Tensor, level: int) -> tuple[Tensor, Tensor, Tensor]:
        cls_logits, bbox_dists, coeffs = super().forward_level(x, level)
        return joint_logit(cls_logits, self.quality_logits(bbox_dists)), bbox_dists, coeffs
