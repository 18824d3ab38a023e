"""One image of 1024x1024, (width, height) as MMDeploy has it; smaller images are padded to it."""
_base_ = './semantic.py'
onnx_config = dict(input_shape=(1024, 1024))
