"""ONNX Runtime INT8: one image of 640x640 to decoded maps, without NMS and masks."""
_base_ = ['./_base_/raw_static_640x640.py', './_base_/onnxruntime_int8.py']
