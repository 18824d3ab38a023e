"""LMSF-A, size m: three times the width of n, capped at 768 channels, twice its depth."""
_base_ = './lmsfa_n.py'
model = dict(
    backbone=dict(deepen_factor=0.67, widen_factor=0.75, max_channels=768),
    neck=dict(in_channels=(96, 192, 384, 576, 576), deepen_factor=0.67),
    mask_head=dict(in_channels=(192, 384, 576)))
