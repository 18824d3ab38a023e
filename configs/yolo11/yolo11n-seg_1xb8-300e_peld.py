"""YOLO11n-seg with the paper's recipe: SGD, lr 1e-3, batch 8, 640x640, 300 epochs."""
_base_ = [
    '../_base_/models/yolo11n_seg.py', '../_base_/datasets/peld_instance.py',
    '../_base_/schedules/sgd_300e.py', '../_base_/default_runtime.py'
]
