"""From the outputs of an exported model to instances at the original size."""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from mmcv.ops import batched_nms
from mmdet.models.utils import filter_scores_and_topk
from mmdet.structures.mask import mask2bbox
from mmengine.structures import InstanceData
from torch import Tensor

from medseg.models.masks import decode_masks
from medseg.models.masks import resample as resample_maps
from medseg.models.semantic_segmentor import regions
from medseg.runtime.metadata import MASK_STRIDE
from medseg.runtime.postprocess import last_trusted


def instances(outputs: Mapping[str, np.ndarray], index: int, meta: Mapping, metadata: Mapping,
              input_size: Sequence[int]) -> InstanceData:
    """Instances of one image.

    Args:
        outputs (Mapping[str, np.ndarray]): What the model gave for a batch.
        index (int): Position of the image in the batch.
        meta (Mapping): ``img_shape`` after resizing, ``ori_shape`` and ``scale_factor`` (x, y).
        metadata (Mapping): See :func:`.metadata.describe`.
        input_size (Sequence[int]): Height and width of the model's input.

    Returns:
        InstanceData: ``bboxes`` (n, 4), ``scores`` (n,), ``labels`` (n,) and bool ``masks``
        (n, H, W), by descending score.
    """
    maps = {name: torch.from_numpy(np.ascontiguousarray(values[index]))
            for name, values in outputs.items()}
    return _READERS[metadata['kind']](maps, meta, metadata, input_size)


def _from_semantic(maps: Mapping[str, Tensor], meta: Mapping, metadata: Mapping,
                   input_size: Sequence[int]) -> InstanceData:
    """As ``SemanticSegmentor.predict_by_feat``: at most one instance a class."""
    logits = maps['logits']
    scale = [logits.shape[2 - i] / input_size[1 - i] * meta['scale_factor'][i] for i in (0, 1)]
    return regions(resample_maps(logits, tuple(meta['ori_shape'][:2]), tuple(scale)),
                   metadata['mask_thr'])


def _to_original(boxes: Tensor, meta: Mapping) -> Tensor:
    """Boxes of the input as boxes of the original image, inside it."""
    height, width = meta['ori_shape'][:2]
    boxes = boxes / boxes.new_tensor(meta['scale_factor'][:2]).repeat(2)
    return torch.stack([boxes[:, 0].clamp(0, width), boxes[:, 1].clamp(0, height),
                        boxes[:, 2].clamp(0, width), boxes[:, 3].clamp(0, height)], 1)


def _from_raw(maps: Mapping[str, Tensor], meta: Mapping, metadata: Mapping,
              input_size: Sequence[int]) -> InstanceData:
    """As ``PrototypeHead.predict_by_feat``, from boxes that are decoded already."""
    scores, labels, keep, _ = filter_scores_and_topk(
        maps['scores'], metadata['score_thr'],
        metadata['nms_pre'] if metadata['nms_pre'] > 0 else maps['scores'].numel())
    boxes = maps['boxes'][keep]
    height, width = meta['img_shape'][:2]
    boxes[:, 0::2] = boxes[:, 0::2].clamp(0, width)
    boxes[:, 1::2] = boxes[:, 1::2].clamp(0, height)
    kept = batched_nms(boxes, scores, labels, dict(
        type='nms', iou_threshold=metadata['nms_iou']))[1] if len(boxes) else keep
    kept = kept[:metadata['max_per_img']]
    protos = maps['prototypes']
    found = InstanceData(bboxes=_to_original(boxes[kept], meta), scores=scores[kept],
                         labels=labels[kept])
    scale = [protos.shape[2 - i] / input_size[1 - i] * meta['scale_factor'][i] for i in (0, 1)]
    found.masks = decode_masks(protos, maps['coefficients'][keep[kept]], found.bboxes,
                               tuple(meta['ori_shape'][:2]), tuple(scale), metadata['mask_thr'])
    return found


def _from_end2end(maps: Mapping[str, Tensor], meta: Mapping, metadata: Mapping,
                  input_size: Sequence[int]) -> InstanceData:
    """Rows with a score, their masks resampled from the input to the image."""
    rows = maps['dets'][:, 4] > 0
    dets = maps['dets'][rows]
    found = InstanceData(bboxes=_to_original(dets[:, :4], meta), scores=dets[:, 4],
                         labels=maps['labels'][rows])
    masks, threshold, stride = maps['masks'][rows].float(), metadata['mask_thr'], None
    if metadata['mask_resample'] == 'logits':
        masks, threshold = masks.logit(1e-7), math.log(threshold / (1 - threshold))
        stride = metadata.get('mask_stride', MASK_STRIDE)
    found.masks = resample(masks, meta, input_size, stride) > threshold
    if not dets[:, :4].any():
        found.bboxes = mask2bbox(found.masks)  # SOLOv2 predicts none
    if metadata['crop_masks']:
        found.masks &= _inside(found.bboxes, meta['ori_shape'][:2])
    return found


def resample(masks: Tensor, meta: Mapping, input_size: Sequence[int],
             stride: float | None = None) -> Tensor:
    """Masks of the input, at any resolution, at the original size.

    Pixel centres are mapped through the image's exact scale, so that neither the padding nor the
    rounding of the resized image's size shifts anything.

    Args:
        masks (Tensor): (n, h, w), probabilities or logits, covering the whole input.
        stride (float, optional): Input pixels per prototype pixel; None where masks were not made
            of prototypes. See :func:`~medseg.runtime.postprocess.last_trusted`.

    Returns:
        Tensor: (n, H, W).
    """
    height, width = meta['ori_shape'][:2]
    if len(masks) == 0:
        return masks.new_zeros(0, height, width)
    grids = []
    for axis, length in enumerate((width, height)):
        size, cells = input_size[1 - axis], masks.shape[2 - axis]
        scale = meta['scale_factor'][axis] * cells / size
        centre = (torch.arange(length) + 0.5) * scale
        if stride is not None:
            last = last_trusted(length, cells, scale, stride * cells / size)
            centre = centre.clamp(max=last + 0.5)
        grids.append(centre / cells * 2 - 1)
    y, x = torch.meshgrid(grids[1], grids[0], indexing='ij')
    grid = torch.stack([x, y], -1)[None]
    return F.grid_sample(masks[None], grid, padding_mode='border', align_corners=False)[0]


def _inside(boxes: Tensor, size: Sequence[int]) -> Tensor:
    """Pixels whose centres are in the boxes (n, 4): bool (n, H, W)."""
    y, x = (torch.arange(length) + 0.5 for length in size)
    x1, y1, x2, y2 = boxes[:, :, None].unbind(1)
    in_x, in_y = (x >= x1) & (x < x2), (y >= y1) & (y < y2)
    return in_y[:, :, None] & in_x[:, None, :]


_READERS = {'raw': _from_raw, 'end2end': _from_end2end, 'semantic': _from_semantic}
