"""ONNX Runtime."""
backend_config = dict(type='onnxruntime')
