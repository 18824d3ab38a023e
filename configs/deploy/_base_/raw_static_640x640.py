"""One image of 640x640 to decoded maps, without NMS and masks."""
_base_ = './static_640x640.py'
onnx_config = dict(output_names=['boxes', 'scores', 'coefficients', 'prototypes'])
codebase_config = dict(post_processing=dict(raw=True))
