"""OpenVINO: one image of 640x640 to boxes, labels and masks."""
_base_ = ['./_base_/static_640x640.py', './_base_/openvino.py']
