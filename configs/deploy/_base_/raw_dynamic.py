"""Any number of images of any size that the strides divide, to decoded maps without NMS."""
_base_ = './dynamic.py'
onnx_config = dict(
    output_names=['boxes', 'scores', 'coefficients', 'prototypes'],
    dynamic_axes=dict(
        _delete_=True,
        input={0: 'batch', 2: 'height', 3: 'width'},
        boxes={0: 'batch', 1: 'locations'},
        scores={0: 'batch', 1: 'locations'},
        coefficients={0: 'batch', 1: 'locations'},
        prototypes={0: 'batch', 2: 'prototype_height', 3: 'prototype_width'}))
codebase_config = dict(post_processing=dict(raw=True))
