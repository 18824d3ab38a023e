"""Any number of images of any size that the network's largest stride divides: 32."""
_base_ = './onnx.py'
onnx_config = dict(
    input_shape=None,
    dynamic_axes=dict(
        input={0: 'batch', 2: 'height', 3: 'width'},
        dets={0: 'batch', 1: 'instances'},
        labels={0: 'batch', 1: 'instances'},
        masks={0: 'batch', 1: 'instances', 2: 'mask_height', 3: 'mask_width'}))
