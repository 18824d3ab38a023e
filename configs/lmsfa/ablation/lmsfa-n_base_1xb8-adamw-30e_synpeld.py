"""Ablation row 1 on SynPELD: 320x320, 30 epochs of AdamW from scratch."""
_base_ = [
    '../../_base_/models/yolov8n_seg.py', '../../_base_/datasets/synpeld-320_instance.py',
    '../../_base_/schedules/adamw_30e.py', '../../_base_/default_runtime.py'
]
