"""ONNX Runtime: one image of 1024x1024 to the logits of class areas."""
_base_ = ['./_base_/semantic_static_1024x1024.py', './_base_/onnxruntime.py']
