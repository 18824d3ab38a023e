"""What all semantic models share: targets, loss, and masks at the original size."""
from __future__ import annotations

import math
from abc import abstractmethod

import torch
import torch.nn.functional as F
from mmdet.models.detectors import BaseDetector
from mmdet.registry import MODELS
from mmdet.structures import OptSampleList, SampleList
from mmdet.structures.mask import mask2bbox
from mmengine.structures import InstanceData
from torch import Tensor

from .class_masks import class_masks
from .masks import resample, valid_area


class SemanticSegmentor(BaseDetector):
    """A network from images to one mask a class, trained on the data of instance models.

    The truth is the union of each class's instances; classes may overlap. A prediction is at most
    one instance a class: its mask is the class's whole area, its score the mean probability
    inside. So everything that reads instances (metrics, overlays, COCO files, the tools) reads
    semantic models too.

    Args:
        loss_mask (dict): Registered loss of logits, targets and valid pixels, such as
            ``DiceFocalLoss``; gives a dict of terms.
        data_preprocessor (dict): Its ``pad_size_divisor`` must suit the network.
        train_cfg (dict, optional): Not used; configs of all models have one.
        test_cfg (dict, optional): ``mask_thr_binary``, the probability above which a pixel
            belongs to a class (default: 0.5).
    """

    def __init__(self, loss_mask: dict, data_preprocessor: dict | None = None,
                 train_cfg: dict | None = None, test_cfg: dict | None = None, init_cfg=None
                 ) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.loss_mask = MODELS.build(loss_mask)
        self.train_cfg = train_cfg
        self.test_cfg = dict(test_cfg or {})

    @property
    @abstractmethod
    def num_classes(self) -> int:
        """Number of classes."""

    @abstractmethod
    def logits(self, batch_inputs: Tensor) -> Tensor:
        """Mask logits (B, num_classes, h, w) that cover the images (B, 3, H, W)."""

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        """Feature maps; here the logits themselves."""
        return (self.logits(batch_inputs),)

    def _forward(self, batch_inputs: Tensor, batch_data_samples: OptSampleList = None) -> Tensor:
        return self.logits(batch_inputs)

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> dict[str, Tensor]:
        """Terms of the loss at the input's resolution; padding does not count.

        Args:
            batch_inputs (Tensor): (B, 3, H, W), normalised.
            batch_data_samples (list[DetDataSample]): With ``gt_instances``.
        """
        size = tuple(batch_inputs.shape[2:])
        target = torch.stack([class_masks(sample, self.num_classes, size)
                              for sample in batch_data_samples]).to(batch_inputs.device)
        valid = valid_area(batch_data_samples, size, batch_inputs)
        return self.loss_by_feat(self.logits(batch_inputs), target, valid)

    def loss_by_feat(self, logits: Tensor, target: Tensor, valid: Tensor) -> dict[str, Tensor]:
        """Terms of the loss.

        Args:
            logits (Tensor): (B, K, h, w); enlarged to the target's size.
            target (Tensor): 0 or 1, (B, K, H, W).
            valid (Tensor): 1 where a pixel counts, (B, 1, H, W).
        """
        size = tuple(target.shape[2:])
        if tuple(logits.shape[2:]) != size:
            logits = F.interpolate(logits.float(), size=size, mode='bilinear',
                                   align_corners=False)
        return self.loss_mask(logits, target, valid)

    def predict(self, batch_inputs: Tensor, batch_data_samples: SampleList,
                rescale: bool = True) -> SampleList:
        """Regions of each image, see :meth:`predict_by_feat`.

        Args:
            batch_inputs (Tensor): (B, 3, H, W), normalised.
            batch_data_samples (list[DetDataSample]): Their meta information.
            rescale (bool): At the original size; otherwise at that of the input.

        Returns:
            list[DetDataSample]: With ``pred_instances``.
        """
        logits = self.logits(batch_inputs)
        results = self.predict_by_feat(logits, [s.metainfo for s in batch_data_samples],
                                       tuple(batch_inputs.shape[2:]), rescale)
        return self.add_pred_to_datasample(batch_data_samples, results)

    def predict_by_feat(self, logits: Tensor, batch_img_metas: list[dict],
                        input_size: tuple[int, int], rescale: bool = True
                        ) -> list[InstanceData]:
        """From logits to regions, image by image.

        Args:
            logits (Tensor): (B, K, h, w), covering the padded inputs.
            batch_img_metas (list[dict]): ``ori_shape``, ``img_shape`` and ``scale_factor``.
            input_size (tuple[int, int]): Height and width of the padded inputs.
            rescale (bool): At the original size.

        Returns:
            list[InstanceData]: ``masks`` (n, H, W) bool, ``labels``, ``scores`` and ``bboxes`` of
            the n <= K classes that have a pixel, in the order of the classes.
        """
        threshold = float(self.test_cfg.get('mask_thr_binary', 0.5))
        found = []
        for maps, meta in zip(logits.float(), batch_img_metas, strict=True):
            shape, factor = meta['img_shape'][:2], (1.0, 1.0)
            if rescale:
                shape, factor = meta['ori_shape'][:2], meta['scale_factor']
            scale = [maps.shape[2 - i] / input_size[1 - i] * factor[i] for i in (0, 1)]
            found.append(regions(resample(maps, tuple(shape), tuple(scale)), threshold))
        return found


def regions(logits: Tensor, threshold: float = 0.5) -> InstanceData:
    """At most one instance a class.

    Args:
        logits (Tensor): (K, H, W), at the size of the image.
        threshold (float): Probability in (0, 1) above which a pixel belongs to a class.

    Returns:
        InstanceData: ``masks`` (n, H, W) bool, ``labels`` (n,), ``scores`` (n,), the mean
        probability inside, and ``bboxes`` (n, 4).
    """
    masks = logits > math.log(threshold / (1 - threshold))
    labels = masks.flatten(1).any(1).nonzero().flatten()
    masks = masks[labels]
    scores = [logits[label][mask].sigmoid().mean()
              for label, mask in zip(labels.tolist(), masks, strict=True)]
    return InstanceData(
        masks=masks, labels=labels, bboxes=mask2bbox(masks).to(logits),
        scores=torch.stack(scores) if scores else logits.new_zeros(0))
