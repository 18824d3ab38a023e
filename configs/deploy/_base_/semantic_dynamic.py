"""Any number of images of any size that the patches divide, to logits."""
_base_ = './semantic.py'
onnx_config = dict(
    input_shape=None,
    dynamic_axes=dict(
        input={0: 'batch', 2: 'height', 3: 'width'},
        logits={0: 'batch', 2: 'map_height', 3: 'map_width'}))
