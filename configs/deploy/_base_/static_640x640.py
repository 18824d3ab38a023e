"""One image of 640x640, (width, height) as MMDeploy has it; smaller images are padded to it."""
_base_ = './onnx.py'
onnx_config = dict(input_shape=(640, 640))
