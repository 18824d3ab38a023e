"""What every prototype-coefficient head shares: targets, losses, post-processing."""
import math
from abc import abstractmethod
from collections.abc import Sequence

import torch
from mmcv.ops import batched_nms
from mmdet.models.dense_heads.base_mask_head import BaseMaskHead
from mmdet.models.utils import filter_scores_and_topk
from mmdet.registry import MODELS, TASK_UTILS
from mmdet.utils import InstanceList, reduce_mean
from mmengine.config import ConfigDict
from mmengine.dist import get_world_size
from mmengine.structures import InstanceData
from torch import Tensor, nn

from .defaults import ACT_CFG, NORM_CFG
from .masks import decode_masks
from .proto import ProtoNet

#: Largest logarithm of a distance in strides: 400 strides, more than any image; keeps exp finite.
MAX_LOG_DISTANCE = 6.0


class PrototypeHead(BaseMaskHead):
    """Anchor-free boxes, classes and mask coefficients per location, prototypes an image.

    Subclasses build their branches and implement :meth:`forward_level`. Training follows
    YOLOv8-seg: task-aligned assignment, cross entropy against the alignment as soft class
    target, CIoU and distribution focal loss for boxes, cross entropy within the box for masks.

    Args:
        num_classes (int): Number of classes.
        in_channels (Sequence[int]): Channels of the neck's maps, finest first.
        strides (Sequence[int]): Their strides.
        reg_max (int): Number of bins of each side's distance distribution; 1 for none: the map
            is the logarithm of the distance in strides, and CIoU alone trains it.
        num_protos (int): Number of mask prototypes.
        proto_channels (int, optional): Channels inside the prototype decoder; by default those
            of the finest map.
        loss_cls, loss_bbox, loss_dfl, loss_mask (dict): Losses.
        scale_loss_by_batch (bool): Multiply the losses by the number of images, as YOLOv8 does;
            its learning rates assume that. The gradient of a step is then the sum over its images,
            wherever they are: see :meth:`loss_scale`.
        norm_cfg, act_cfg (dict): Normalisation and activation.
        train_cfg (dict): ``assigner``, and its exponents ``alpha`` and ``beta``.
        test_cfg (dict): ``score_thr``, ``nms_pre``, ``nms``, ``max_per_img``, ``mask_thr_binary``.
    """

    def __init__(self, num_classes: int, in_channels: Sequence[int],
                 strides: Sequence[int] = (8, 16, 32), reg_max: int = 16, num_protos: int = 32,
                 proto_channels: int | None = None,
                 loss_cls: dict = dict(type='CrossEntropyLoss', use_sigmoid=True,  # noqa: B006
                                       reduction='sum', loss_weight=0.5),
                 loss_bbox: dict = dict(type='StableCIoULoss', loss_weight=7.5),  # noqa: B006
                 loss_dfl: dict = dict(type='DistributionFocalLoss',  # noqa: B006
                                       loss_weight=1.5 / 4),
                 loss_mask: dict = dict(type='BoxMaskLoss', loss_weight=7.5),  # noqa: B006
                 scale_loss_by_batch: bool = True, norm_cfg: dict = NORM_CFG,
                 act_cfg: dict = ACT_CFG, train_cfg: dict | None = None,
                 test_cfg: dict | None = None, init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.num_classes = num_classes
        self.in_channels = tuple(in_channels)
        self.strides = tuple(strides)
        self.reg_max = reg_max
        self.num_protos = num_protos
        self.norm_cfg, self.act_cfg = norm_cfg, act_cfg
        self.scale_loss_by_batch = scale_loss_by_batch
        self.train_cfg = ConfigDict(train_cfg or {})
        self.test_cfg = ConfigDict(test_cfg or {})
        self.prior_generator = TASK_UTILS.build(
            dict(type='MlvlPointGenerator', strides=list(strides), offset=0.5))
        if 'assigner' in self.train_cfg:
            self.assigner = TASK_UTILS.build(self.train_cfg.assigner)
        self.loss_cls = MODELS.build(loss_cls)
        self.loss_bbox = MODELS.build(loss_bbox)
        self.loss_dfl = MODELS.build(loss_dfl)
        self.loss_mask = MODELS.build(loss_mask)
        self.register_buffer('bins', torch.arange(reg_max, dtype=torch.float32), persistent=False)
        self.proto_net = self.build_proto_net(proto_channels or self.in_channels[0])

    # ------------------------------------------------------------------ forward
    def build_proto_net(self, channels: int) -> nn.Module:
        """The prototype decoder, ``channels`` wide inside."""
        return ProtoNet(self.in_channels[0], channels, self.num_protos, norm_cfg=self.norm_cfg,
                        act_cfg=self.act_cfg)

    @abstractmethod
    def forward_level(self, x: Tensor, level: int) -> tuple[Tensor, Tensor, Tensor]:
        """Raw maps of one level: (B, num_classes, H, W), (B, 4 * reg_max, H, W),
        (B, num_protos, H, W)."""

    def forward_protos(self, feats: Sequence[Tensor]) -> Tensor:
        """Mask prototypes, (B, num_protos, 2H, 2W) for a finest map of (H, W)."""
        return self.proto_net(feats[0])

    def forward(self, feats: Sequence[Tensor]) -> tuple[list, list, list, Tensor]:
        """Raw predictions.

        Args:
            feats (Sequence[Tensor]): Maps of the neck, (B, C_i, H_i, W_i), finest first.

        Returns:
            tuple: Class logits, distance distributions (logits, left-top-right-bottom by bin) and
            mask coefficients, a list over the levels each, and the prototypes.
        """
        outs = [self.forward_level(x, i) for i, x in enumerate(feats)]
        cls_scores, bbox_dists, coeffs = (list(maps) for maps in zip(*outs, strict=True))
        return cls_scores, bbox_dists, coeffs, self.forward_protos(feats)

    def init_biases(self, cls_convs: Sequence[nn.Conv2d], box_convs: Sequence[nn.Conv2d]) -> None:
        """YOLOv8's biases: boxes start a few strides wide, classes at about 5 objects an image of
        640x640 at each level (one convolution a level; a shared one takes the middle level)."""
        for conv in box_convs:
            nn.init.constant_(conv.bias, 1.0)
        strides = self.strides if len(cls_convs) > 1 else self.strides[1:2]
        for conv, stride in zip(cls_convs, strides, strict=True):
            nn.init.constant_(conv.bias, math.log(5 / self.num_classes / (640 / stride) ** 2))

    # ------------------------------------------------------------------ decoding
    @staticmethod
    def _flatten(maps: Sequence[Tensor], channels: int) -> Tensor:
        """Levels (B, C, H_i, W_i) to (B, sum of H_i * W_i, C)."""
        return torch.cat([m.permute(0, 2, 3, 1).reshape(m.shape[0], -1, channels) for m in maps],
                         dim=1)

    def _priors(self, maps: Sequence[Tensor]) -> Tensor:
        """Centre x, y and stride (twice) of every location in input pixels, (L, 4)."""
        return torch.cat(self.prior_generator.grid_priors(
            # Half precisions cannot hold the centres: bfloat16 has no 257.
            [m.shape[-2:] for m in maps], device=maps[0].device, with_stride=True,
            dtype=torch.promote_types(maps[0].dtype, torch.float32)))

    def _decode_boxes(self, dists: Tensor, priors: Tensor) -> Tensor:
        """Raw distances (..., L, 4 * reg_max) to boxes (..., L, 4) as x1, y1, x2, y2."""
        shape = dists.shape[:-1]
        if self.reg_max == 1:
            distance = dists.clamp(max=MAX_LOG_DISTANCE).exp()
        else:
            probs = dists.reshape(*shape, 4, self.reg_max).softmax(-1)
            # A matrix, not a vector, which ONNX Runtime multiplies with one location at a time.
            bins = self.bins.to(probs.dtype)[:, None]
            distance = (probs @ bins).squeeze(-1)
        distance = distance * priors[:, 2:3]
        # As mmdet's distance2bbox, but by slices: OpenVINO's INT8 passes break its picking of
        # single columns (2025.4, "Requested output shape is incompatible").
        return torch.cat([priors[:, :2] - distance[..., :2], priors[:, :2] + distance[..., 2:]],
                         -1)

    # ------------------------------------------------------------------ training
    def loss_by_feat(self, cls_scores: list[Tensor], bbox_dists: list[Tensor],
                     coeffs: list[Tensor], protos: Tensor, batch_gt_instances: InstanceList,
                     batch_img_metas: list[dict], batch_gt_instances_ignore=None,
                     positive_infos=None) -> dict[str, Tensor]:
        """Losses of a batch.

        Args:
            cls_scores, bbox_dists, coeffs, protos: Outputs of :meth:`forward`.
            batch_gt_instances (list[InstanceData]): ``bboxes`` (n, 4), ``labels`` (n,) and
                ``masks`` (polygons or bitmaps of the padded input's size), one an image.
            batch_img_metas (list[dict]): Meta information, one an image.

        Returns:
            dict: ``loss_cls``, ``loss_bbox``, ``loss_dfl`` (with ``reg_max`` over 1) and
            ``loss_mask``, scalars.
        """
        priors = self._priors(cls_scores)
        # Assignment and box arithmetic need full precision, also under AMP.
        scores = self._flatten(cls_scores, self.num_classes).float()
        dists = self._flatten(bbox_dists, 4 * self.reg_max).float()
        coeffs_flat = self._flatten(coeffs, self.num_protos)
        boxes = self._decode_boxes(dists, priors)

        targets = [self._assign(priors, scores[i], boxes[i], gt)
                   for i, gt in enumerate(batch_gt_instances)]
        target_scores = torch.stack([t['scores'] for t in targets])
        norm = reduce_mean(target_scores.sum()).clamp(min=1.0)
        batch_inds = torch.cat([
            torch.full_like(t['pos'], i) for i, t in enumerate(targets)])
        pos = torch.cat([t['pos'] for t in targets])
        gt_boxes = torch.cat([t['bboxes'] for t in targets])
        weight = target_scores[batch_inds, pos].sum(-1)

        losses = dict(loss_cls=self.loss_cls(
            scores.flatten(0, 1), target_scores.flatten(0, 1)) / norm)
        pos_dists, pos_priors = dists[batch_inds, pos], priors[pos]
        if len(pos):
            losses['loss_bbox'] = self.loss_bbox(
                boxes[batch_inds, pos], gt_boxes, weight=weight, avg_factor=norm)
            if self.reg_max > 1:
                losses['loss_dfl'] = self.loss_dfl(
                    pos_dists.reshape(-1, self.reg_max), self._dfl_targets(pos_priors, gt_boxes),
                    weight=weight[:, None].expand(-1, 4).reshape(-1), avg_factor=norm)
        else:
            losses['loss_bbox'] = dists.sum() * 0
            if self.reg_max > 1:
                losses['loss_dfl'] = losses['loss_bbox']
        losses['loss_mask'] = self._mask_loss(
            protos, coeffs_flat[batch_inds, pos], gt_boxes, batch_inds, targets,
            batch_gt_instances, batch_img_metas)
        scale = self.loss_scale(len(batch_gt_instances), norm)
        return {k: v * scale for k, v in losses.items()}

    def loss_scale(self, num_images: int, like: Tensor) -> Tensor | float:
        """Factor that makes a sum over images of a loss that is a mean over them.

        ``DistributedDataParallel`` averages gradients over the processes, so the factor is the
        number of images of all of them. Accumulated batches are added up, not averaged, by
        :class:`~medseg.engine.hooks.SumGradientsHook`. Thus 4 images give the same gradient as one
        batch, as several accumulated ones, or spread over processes.

        Args:
            num_images (int): Images of this process's batch.
            like (Tensor): Any floating point tensor on the losses' device.

        Returns:
            Tensor | float: The factor; 1.0 without ``scale_loss_by_batch``.
        """
        if not self.scale_loss_by_batch:
            return 1.0
        return reduce_mean(like.new_tensor(float(num_images))) * get_world_size()

    def _dfl_targets(self, priors: Tensor, gt_boxes: Tensor) -> Tensor:
        """Distances in strides to the four sides, (N * 4,), inside the bins' range."""
        points = priors[:, :2]
        distance = torch.cat([points - gt_boxes[:, :2], gt_boxes[:, 2:] - points], 1)
        return (distance / priors[:, 2:3]).clamp(0, self.reg_max - 1 - 0.01).reshape(-1)

    @torch.no_grad()
    def _assign(self, priors: Tensor, scores: Tensor, boxes: Tensor, gt: InstanceData) -> dict:
        """Positives of one image and their soft class targets.

        The target of a positive is its alignment, scaled so that the best positive of each
        object has that object's best IoU.
        """
        target = boxes.new_zeros(scores.shape)
        # The assigner takes boxes as priors; a degenerate one is its own centre.
        points = priors[:, :2].repeat(1, 2)
        result = self.assigner.assign(
            InstanceData(priors=points, bboxes=boxes.detach(), scores=scores.detach().sigmoid()),
            gt, None, alpha=self.train_cfg.get('alpha', 0.5), beta=self.train_cfg.get('beta', 6.0))
        pos = (result.gt_inds > 0).nonzero()[:, 0]
        gt_inds = result.gt_inds[pos] - 1
        if len(pos):
            metric, iou = result.assign_metrics[pos], result.max_overlaps[pos]
            best_metric = metric.new_zeros(len(gt)).scatter_reduce(0, gt_inds, metric, 'amax')
            best_iou = iou.new_zeros(len(gt)).scatter_reduce(0, gt_inds, iou, 'amax')
            aligned = metric / (best_metric[gt_inds] + 1e-9) * best_iou[gt_inds]
            target[pos, gt.labels[gt_inds]] = aligned.to(target.dtype)
        return dict(pos=pos, gt_inds=gt_inds, scores=target, bboxes=gt.bboxes[gt_inds])

    def _mask_loss(self, protos: Tensor, coeffs: Tensor, gt_boxes: Tensor, batch_inds: Tensor,
                   targets: list[dict], batch_gt_instances: InstanceList,
                   batch_img_metas: list[dict]) -> Tensor:
        height, width = protos.shape[-2:]
        in_height, in_width = batch_img_metas[0]['batch_input_shape']
        gt_masks, mask_inds, offset = [], [], 0
        for target, gt in zip(targets, batch_gt_instances, strict=True):
            gt_masks.append(gt.masks.resize((height, width)).to_tensor(
                torch.uint8, protos.device))
            mask_inds.append(target['gt_inds'] + offset)
            offset += len(gt)
        scale = gt_boxes.new_tensor([width / in_width, height / in_height]).repeat(2)
        num_pos = reduce_mean(protos.new_tensor(float(len(coeffs)))).clamp(min=1.0)
        return self.loss_mask(protos.float(), coeffs.float(), gt_boxes * scale, batch_inds,
                              torch.cat(gt_masks), torch.cat(mask_inds)) / num_pos

    # ------------------------------------------------------------------ inference
    def predict_by_feat(self, cls_scores: list[Tensor], bbox_dists: list[Tensor],
                        coeffs: list[Tensor], protos: Tensor, batch_img_metas: list[dict],
                        rescale: bool = True, results_list=None) -> InstanceList:
        """Instances of each image after NMS, with masks of the kept ones only.

        Args:
            cls_scores, bbox_dists, coeffs, protos: Outputs of :meth:`forward`.
            batch_img_metas (list[dict]): Meta information, one an image.
            rescale (bool): Boxes and masks at the original size instead of the input's.

        Returns:
            list[InstanceData]: ``bboxes`` (n, 4), ``scores`` (n,), ``labels`` (n,) and bool
            ``masks`` (n, H, W), by descending score.
        """
        priors = self._priors(cls_scores)
        scores = self._flatten(cls_scores, self.num_classes).sigmoid()
        dists = self._flatten(bbox_dists, 4 * self.reg_max).float()
        coeffs_flat = self._flatten(coeffs, self.num_protos)
        in_shape = [s * self.strides[0] for s in cls_scores[0].shape[-2:]]
        return [self._predict_single(scores[i], dists[i], coeffs_flat[i], protos[i], priors,
                                     in_shape, meta, rescale)
                for i, meta in enumerate(batch_img_metas)]

    def _predict_single(self, scores: Tensor, dists: Tensor, coeffs: Tensor, protos: Tensor,
                        priors: Tensor, in_shape: Sequence[int], meta: dict, rescale: bool
                        ) -> InstanceData:
        cfg = self.test_cfg
        scores, labels, keep, _ = filter_scores_and_topk(
            scores, cfg.score_thr, cfg.nms_pre)
        bboxes = self._decode_boxes(dists[keep], priors[keep])
        height, width = meta['img_shape'][:2]
        bboxes[:, 0::2] = bboxes[:, 0::2].clamp(0, width)
        bboxes[:, 1::2] = bboxes[:, 1::2].clamp(0, height)
        # mmcv's batched_nms takes the maximum of the boxes and fails without any.
        kept = batched_nms(bboxes, scores.float(), labels, cfg.nms)[1] if len(bboxes) else keep
        kept = kept[:cfg.max_per_img]
        results = InstanceData(bboxes=bboxes[kept], scores=scores[kept], labels=labels[kept])

        # Prototype pixels an input pixel, then an output pixel.
        scale = [protos.shape[2] / in_shape[1], protos.shape[1] / in_shape[0]]
        out_shape = (height, width)
        if rescale:
            out_shape = tuple(meta['ori_shape'][:2])
            factor = meta['scale_factor']
            results.bboxes = results.bboxes / results.bboxes.new_tensor(factor).repeat(2)
            results.bboxes[:, 0::2] = results.bboxes[:, 0::2].clamp(0, out_shape[1])
            results.bboxes[:, 1::2] = results.bboxes[:, 1::2].clamp(0, out_shape[0])
            scale = [scale[0] * factor[0], scale[1] * factor[1]]
        results.masks = decode_masks(protos, coeffs[keep[kept]], results.bboxes, out_shape,
                                     tuple(scale), cfg.get('mask_thr_binary', 0.5))
        return results
