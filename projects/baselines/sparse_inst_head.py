"""SparseInst's decoder (Cheng et al., CVPR 2022, Sections 3.3 to 3.5)."""
from __future__ import annotations

import math

import torch
from mmdet.models.dense_heads.base_mask_head import BaseMaskHead
from mmdet.registry import MODELS
from mmdet.structures.mask import mask2bbox
from mmdet.utils import InstanceList, reduce_mean
from mmengine.config import ConfigDict
from mmengine.model import kaiming_init
from mmengine.structures import InstanceData
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn
from torch.nn import functional as F


def _branch(in_channels: int, channels: int, depth: int) -> nn.Sequential:
    """``depth`` 3x3 convolutions with ReLU."""
    layers = []
    for i in range(depth):
        layers += [nn.Conv2d(channels if i else in_channels, channels, 3, padding=1),
                   nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


@MODELS.register_module()
class SparseInstHead(BaseMaskHead):
    """A sparse set of instance activation maps gives each instance its features; no boxes, no NMS.

    Each of N maps highlights one object; the features under it, averaged with the map as weight,
    tell its class, its objectness (the IoU that its mask will have) and the kernel that turns the
    mask features into its mask. With ``groups`` each instance has that many maps (G-IAM).

    Args:
        num_classes (int): Number of classes.
        in_channels (int): Channels of the encoder's map.
        channels (int): Channels of both branches.
        num_masks (int): Instances N that can be found in an image.
        kernel_channels (int): Channels of the mask features.
        groups (int): Activation maps an instance.
        num_convs (int): 3x3 convolutions of each branch.
        match_alpha (float): Weight of the mask in the matching score
            ``p^(1 - alpha) * dice^alpha``, 0 to 1.
        loss_cls, loss_mask, loss_dice, loss_objectness (dict): Losses.
        train_cfg (dict, optional): Unused.
        test_cfg (dict): ``score_thr``, ``max_per_img``, ``mask_thr_binary``.
        init_cfg (dict, optional): Initialisation.
    """

    def __init__(self, num_classes: int, in_channels: int = 256, channels: int = 256,
                 num_masks: int = 100, kernel_channels: int = 128, groups: int = 4,
                 num_convs: int = 4, match_alpha: float = 0.8,
                 loss_cls: dict = dict(type='FocalLoss', loss_weight=2.0),  # noqa: B006
                 loss_mask: dict = dict(type='CrossEntropyLoss', use_sigmoid=True,  # noqa: B006
                                        loss_weight=5.0),
                 loss_dice: dict = dict(type='DiceLoss', loss_weight=2.0),  # noqa: B006
                 loss_objectness: dict = dict(type='CrossEntropyLoss',  # noqa: B006
                                              use_sigmoid=True, loss_weight=1.0),
                 train_cfg: dict | None = None, test_cfg: dict | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.num_classes = num_classes
        self.num_masks = num_masks
        self.groups = groups
        self.match_alpha = match_alpha
        self.test_cfg = ConfigDict(test_cfg or {})
        width = channels * groups
        # Two more channels: where on the image a pixel is.
        self.instance_convs = _branch(in_channels + 2, channels, num_convs)
        self.activation_maps = nn.Conv2d(channels, num_masks * groups, 3, padding=1, groups=groups)
        self.instance_fc = nn.Linear(width, width)
        self.classes = nn.Linear(width, num_classes)
        self.objectness = nn.Linear(width, 1)
        self.kernels = nn.Linear(width, kernel_channels)
        self.mask_convs = _branch(in_channels + 2, channels, num_convs)
        self.mask_features = nn.Conv2d(channels, kernel_channels, 1)
        self.loss_cls = MODELS.build(loss_cls)
        self.loss_mask = MODELS.build(loss_mask)
        self.loss_dice = MODELS.build(loss_dice)
        self.loss_objectness = MODELS.build(loss_objectness)

    def init_weights(self) -> None:
        """Maps and classes start at a probability of 0.01."""
        super().init_weights()
        for module in [*self.instance_convs, *self.mask_convs, self.mask_features]:
            if isinstance(module, nn.Conv2d):
                kaiming_init(module)
        for module in (self.activation_maps, self.classes, self.kernels, self.objectness):
            nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)
        for module in (self.activation_maps, self.classes):
            nn.init.constant_(module.bias, -math.log(99))

    # ------------------------------------------------------------------ forward
    def aggregate(self, feats: Tensor, maps: Tensor) -> Tensor:
        """Features of the instances: the mean under each map, weighted by it.

        Args:
            feats (Tensor): (B, C, H, W).
            maps (Tensor): Logits, (B, groups * N, H, W), the first N of the first group.

        Returns:
            Tensor: (B, N, groups * C).
        """
        weights = maps.sigmoid().flatten(2)
        weights = weights / weights.sum(-1, keepdim=True).clamp(min=1e-6)
        means = weights @ feats.flatten(2).transpose(1, 2)
        means = means.unflatten(1, (self.groups, self.num_masks))
        return means.transpose(1, 2).flatten(2)

    def forward(self, feats: tuple[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Raw predictions.

        Args:
            feats (tuple[Tensor]): The encoder's map, (B, C, H, W).

        Returns:
            tuple: Class logits (B, N, num_classes), objectness logits (B, N) and mask logits
            (B, N, 2H, 2W).
        """
        x, = feats
        height, width = x.shape[-2:]
        rows = torch.linspace(-1, 1, height, device=x.device, dtype=x.dtype)
        columns = torch.linspace(-1, 1, width, device=x.device, dtype=x.dtype)
        places = torch.stack([columns.expand(height, width),
                              rows[:, None].expand(height, width)])
        x = torch.cat([places.expand(len(x), -1, -1, -1), x], 1)
        instance = self.instance_convs(x)
        instance = F.relu(self.instance_fc(
            self.aggregate(instance, self.activation_maps(instance))))
        masks = torch.einsum('bnk,bkhw->bnhw', self.kernels(instance),
                             self.mask_features(self.mask_convs(x)))
        masks = F.interpolate(masks, scale_factor=2, mode='bilinear', align_corners=False)
        return self.classes(instance), self.objectness(instance).squeeze(-1), masks

    # ------------------------------------------------------------------ training
    @torch.no_grad()
    def match(self, logits: Tensor, masks: Tensor, labels: Tensor, targets: Tensor
              ) -> tuple[Tensor, Tensor]:
        """One prediction for each object: the pairs with the highest sum of scores (Eq. 4, 5).

        Args:
            logits (Tensor): Class logits of one image, (N, num_classes).
            masks (Tensor): Mask logits, (N, h, w).
            labels (Tensor): Labels of the objects, (K,).
            targets (Tensor): Their masks, (K, h, w), 0 to 1.

        Returns:
            tuple[Tensor, Tensor]: Numbers of the predictions and of their objects, min(N, K) each.
        """
        masks = masks.float().flatten(1).sigmoid()
        targets = targets.flatten(1)
        dice = 2 * masks @ targets.T / (
            masks.square().sum(1)[:, None] + targets.square().sum(1) + 1e-4)
        scores = logits.float().sigmoid()[:, labels]
        scores = scores ** (1 - self.match_alpha) * dice ** self.match_alpha
        found, objects = linear_sum_assignment(scores.cpu().numpy(), maximize=True)
        return (torch.as_tensor(found, device=labels.device),
                torch.as_tensor(objects, device=labels.device))

    def loss_by_feat(self, logits: Tensor, objectness: Tensor, masks: Tensor,
                     batch_gt_instances: InstanceList, batch_img_metas: list[dict],
                     **kwargs) -> dict[str, Tensor]:
        """Losses of :meth:`forward`'s outputs against the objects.

        Args:
            logits, objectness, masks (Tensor): What ``forward`` returned.
            batch_gt_instances (InstanceList): ``labels`` (K,) and ``masks`` of the input's size.
            batch_img_metas (list[dict]): Unused.

        Returns:
            dict[str, Tensor]: ``loss_cls``, ``loss_mask``, ``loss_dice``, ``loss_objectness``.
        """
        class_targets = torch.full(logits.shape[:2], self.num_classes, device=logits.device)
        pred_masks, mask_targets, pred_objectness = [], [], []
        for i, truth in enumerate(batch_gt_instances):
            if len(truth) == 0:
                continue
            targets = truth.masks.to_tensor(torch.float32, masks.device)
            targets = F.interpolate(targets[None], size=masks.shape[-2:], mode='bilinear',
                                    align_corners=False)[0]
            found, objects = self.match(logits[i], masks[i], truth.labels, targets)
            class_targets[i, found] = truth.labels[objects]
            pred_masks.append(masks[i, found].float())
            mask_targets.append(targets[objects])
            pred_objectness.append(objectness[i, found].float())
        count = sum(len(part) for part in pred_masks)
        average = reduce_mean(logits.new_tensor(float(count))).clamp(min=1).item()
        losses = dict(loss_cls=self.loss_cls(
            logits.flatten(0, 1), class_targets.flatten(), avg_factor=average))
        if count == 0:
            # Every weight takes part, so that distributed training does not wait for one.
            nothing = masks.sum() * 0
            return dict(losses, loss_mask=nothing, loss_dice=nothing,
                        loss_objectness=nothing + objectness.sum() * 0)
        pred, target = torch.cat(pred_masks).flatten(1), torch.cat(mask_targets).flatten(1)
        with torch.no_grad():
            hit, truth = pred.sigmoid() > self.mask_threshold, target > 0.5
            union = (hit | truth).sum(1)
            iou = (hit & truth).sum(1) / union.clamp(min=1)
        return dict(
            losses, loss_mask=self.loss_mask(pred, target),
            loss_dice=self.loss_dice(pred, target, avg_factor=average),
            loss_objectness=self.loss_objectness(
                torch.cat(pred_objectness)[:, None], iou[:, None]))

    # ------------------------------------------------------------------ inference
    @property
    def mask_threshold(self) -> float:
        """Probability from which on a pixel belongs to a mask."""
        return self.test_cfg.get('mask_thr_binary', 0.45)

    def predict_by_feat(self, logits: Tensor, objectness: Tensor, masks: Tensor,
                        batch_img_metas: list[dict], rescale: bool = True, **kwargs
                        ) -> InstanceList:
        """Instances of each image, best first.

        Args:
            logits, objectness, masks (Tensor): What ``forward`` returned.
            batch_img_metas (list[dict]): ``img_shape``, ``batch_input_shape``, ``ori_shape``.
            rescale (bool): Masks of the original size, otherwise of ``img_shape``.

        Returns:
            InstanceList: ``scores``, ``labels``, ``bboxes`` (x1, y1, x2, y2 around the masks) and
            ``masks`` (n, height, width) bool.
        """
        # Eq. 6: the class's probability, corrected by the expected IoU.
        scores, labels = logits.float().sigmoid().max(-1)
        scores = (scores * objectness.float().sigmoid()).sqrt()
        return [self._predict_single(scores[i], labels[i], masks[i], meta, rescale)
                for i, meta in enumerate(batch_img_metas)]

    def _predict_single(self, scores: Tensor, labels: Tensor, masks: Tensor, meta: dict,
                        rescale: bool) -> InstanceData:
        keep = scores > self.test_cfg.get('score_thr', 0.005)
        scores, labels, masks = scores[keep], labels[keep], masks[keep].float().sigmoid()
        inside = masks > self.mask_threshold
        # Sure masks are better ones: the mean probability inside.
        scores = scores * (masks * inside).sum((1, 2)) / inside.sum((1, 2)).clamp(min=1)
        order = scores.argsort(descending=True)[:self.test_cfg.get('max_per_img', 100)]
        masks = masks[order][None]
        if len(order):
            height, width = meta['img_shape'][:2]
            masks = F.interpolate(masks, size=meta['batch_input_shape'], mode='bilinear',
                                  align_corners=False)[..., :height, :width]
            if rescale:
                masks = F.interpolate(masks, size=meta['ori_shape'][:2], mode='bilinear',
                                      align_corners=False)
        else:
            masks = masks.new_zeros(1, 0, *meta['ori_shape' if rescale else 'img_shape'][:2])
        masks = masks[0] > self.mask_threshold
        return InstanceData(scores=scores[order], labels=labels[order], masks=masks,
                            bboxes=mask2bbox(masks))
