"""OpenVINO, INT8 by NNCF; the last layers, and those that `keep` finds by name, stay FP32."""
_base_ = './openvino.py'
backend_config = dict(quantization=dict(preset='mixed', keep=[]))
