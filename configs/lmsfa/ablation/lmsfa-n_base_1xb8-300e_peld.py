"""Ablation row 1: YOLOv8n-seg."""
_base_ = [
    '../../_base_/models/yolov8n_seg.py', '../../_base_/datasets/peld_instance.py',
    '../../_base_/schedules/sgd_300e.py', '../../_base_/default_runtime.py'
]
