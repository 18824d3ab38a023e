"""YOLO11s-seg: twice the width of n."""
_base_ = './yolo11n_seg.py'
model = dict(
    backbone=dict(widen_factor=0.5),
    neck=dict(in_channels=(256, 256, 512), out_channels=(128, 256, 512)),
    mask_head=dict(in_channels=(128, 256, 512)))
