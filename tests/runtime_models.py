"""Model files that hold what they will say: constants instead of a network."""
import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

METADATA = dict(
    version=1, classes=['adipose tissue', 'bone', 'ligamentum flavum', 'nerve'],
    colors=[[160, 32, 240], [220, 20, 60], [255, 215, 0], [0, 200, 80]], mean=[0.0] * 3,
    std=[255.0] * 3, to_rgb=True, input_size=None, size_divisor=32, keep_ratio=True,
    pad_value=114 / 255, scale=[64, 64], score_thr=0.001, nms_iou=0.7, nms_pre=3000,
    max_per_img=100, mask_thr=0.5, mask_resample='logits', crop_masks=True)


def constant_model(path, outputs, metadata=None, size=(None, None), key='medseg'):
    """Write an ONNX file with one image input and constant outputs.

    The first output depends on the image in name only, since OpenVINO drops unused inputs: nothing
    is added to it where the image is not negative.
    """
    shape = [1, 3, *(side if side else name for side, name in zip(size, 'hw', strict=True))]
    nodes = [helper.make_node('Constant', [], [name], value=numpy_helper.from_array(value))
             for name, value in outputs.items()]
    first = next(iter(outputs))
    nodes[0].output[0] = 'constant'
    nodes += [helper.make_node('Constant', [], ['zero'],
                               value=numpy_helper.from_array(np.float32(0))),
              helper.make_node('ReduceMax', ['input'], ['most'], keepdims=0),
              helper.make_node('Min', ['most', 'zero'], ['nothing']),
              helper.make_node('Add', ['constant', 'nothing'], [first])]
    graph = helper.make_graph(
        nodes, 'constants', [helper.make_tensor_value_info('input', TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
         for name, value in outputs.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    if metadata:
        helper.set_model_props(model, {key: json.dumps(metadata)})
    onnx.save(model, path)
    return path


def raw_outputs():
    """Two bones on top of each other, a nerve in the same place, and a weak adipose tissue.

    The input is 64x64, the prototypes 16x16. The bones' mask is the left half of the image, the
    nerve's the upper half.
    """
    boxes = np.float32([[8, 8, 40, 40], [9, 8, 41, 40], [8, 8, 40, 40], [0, 0, 64, 64]])
    scores = np.zeros((4, 4), np.float32)
    scores[[0, 1, 2, 3], [1, 1, 3, 0]] = 0.9, 0.8, 0.7, 0.1
    prototypes = np.full((32, 16, 16), -9, np.float32)
    prototypes[0, :, :8] = 9
    prototypes[1, :8] = 9
    coefficients = np.zeros((4, 32), np.float32)
    coefficients[[0, 1, 2, 3], [0, 0, 1, 0]] = 1
    return dict(boxes=boxes[None], scores=scores[None], coefficients=coefficients[None],
                prototypes=prototypes[None])
