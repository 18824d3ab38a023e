"""YOLACT R50 with its authors' SGD, which is the paper's own: 640x640, 300 epochs."""
_base_ = [
    '../_base_/models/yolact_r50.py', '../_base_/datasets/peld_instance.py',
    '../_base_/schedules/sgd_300e.py', '../_base_/default_runtime.py'
]
