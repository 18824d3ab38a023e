"""ONNX Runtime, INT8 in QDQ form, which TensorRT reads; `activation='uint8'` is for x86 alone."""
_base_ = './onnxruntime.py'
backend_config = dict(quantization=dict(activation='int8', keep=[]))
