"""OpenVINO: images of any number and size to the logits of class areas."""
_base_ = ['./_base_/semantic_dynamic.py', './_base_/openvino.py']
