"""Standard ONNX operators where MMDeploy's default is one of its own, or broken."""
from __future__ import annotations

import torch
from mmdeploy.core import SYMBOLIC_REWRITER
from mmdeploy.utils import Backend
from torch.onnx import symbolic_opset16


@SYMBOLIC_REWRITER.register_symbolic('grid_sampler', is_pytorch=True,
                                     backend=Backend.ONNXRUNTIME.value)
def grid_sampler(g, *args):
    """``GridSample``, standard since opset 16, for pasting the masks of Mask R-CNN.

    MMDeploy writes ``mmdeploy::grid_sampler``, which needs its compiled plug-in.
    """
    return symbolic_opset16.grid_sampler(g, *args)


@SYMBOLIC_REWRITER.register_symbolic('mmcv.ops.roi_align.__self__',
                                     backend=Backend.ONNXRUNTIME.value)
def roi_align(g, features, rois, output_size, spatial_scale, sampling_ratio, pool_mode, aligned):
    """``RoiAlign`` of opset 16, which knows both of mmcv's coordinate conventions.

    MMDeploy 1.3.1 writes it too, but imports ``_cast_Long``, which current torch no longer has.
    """
    def constant(*values):
        return g.op('Constant', value_t=torch.tensor(values, dtype=torch.long))

    batch_index = g.op('Squeeze', g.op('Gather', rois, constant(0), axis_i=1), constant(1))
    return g.op(
        'RoiAlign', features, g.op('Gather', rois, constant(1, 2, 3, 4), axis_i=1),
        g.op('Cast', batch_index, to_i=torch.onnx.TensorProtoDataType.INT64),
        output_height_i=output_size[0], output_width_i=output_size[1],
        spatial_scale_f=spatial_scale, sampling_ratio_i=sampling_ratio, mode_s=pool_mode,
        coordinate_transformation_mode_s='half_pixel' if aligned else 'output_half_pixel')
