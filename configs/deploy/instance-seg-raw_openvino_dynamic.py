"""OpenVINO: images of any number and size to decoded maps, without NMS and masks."""
_base_ = ['./_base_/raw_dynamic.py', './_base_/openvino.py']
