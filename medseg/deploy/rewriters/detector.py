"""Forward of one-stage instance segmentation, for export."""
from __future__ import annotations

import torch
from mmdeploy.core import FUNCTION_REWRITER
from mmdeploy.utils import Backend, is_dynamic_shape
from mmdet.structures import DetDataSample
from torch import Tensor


@FUNCTION_REWRITER.register_rewriter(
    'mmdet.models.detectors.single_stage_instance_seg.SingleStageInstanceSegmentor.forward',
    backend=Backend.ONNXRUNTIME.value)
def single_stage_instance_segmentor__forward(self, batch_inputs: Tensor, data_samples=None,
                                             mode: str = 'tensor', **kwargs) -> tuple[Tensor, ...]:
    """MMDeploy's rewriter, without its marks, which know three outputs; raw exports have four.

    Args:
        batch_inputs (Tensor): (B, 3, H, W), normalised.

    Returns:
        tuple: What the mask head's ``predict_by_feat`` gives.
    """
    size = torch._shape_as_tensor(batch_inputs)[2:]
    if not is_dynamic_shape(FUNCTION_REWRITER.get_context().cfg):
        size = [int(v) for v in size]
    samples = data_samples or [DetDataSample()]
    for sample in samples:
        # `set_metainfo` would copy, which a trace does not survive.
        sample.set_field(name='img_shape', value=size, field_type='metainfo')
    feats = self.extract_feat(batch_inputs)
    results = self.bbox_head.predict(feats, samples, rescale=False) if self.with_bbox else None
    return self.mask_head.predict(feats, samples, rescale=False, results_list=results)
