"""OpenVINO: images of any number and size to boxes, labels and masks."""
_base_ = ['./_base_/dynamic.py', './_base_/openvino.py']
