"""LMSF-A, size s: twice the width of n."""
_base_ = './lmsfa_n.py'
model = dict(
    backbone=dict(widen_factor=0.5),
    neck=dict(in_channels=(64, 128, 256, 512, 512)),
    mask_head=dict(in_channels=(128, 256, 512)))
