"""LMSF-A edge, size s: 1.25 times the channels of size n."""
_base_ = './lmsfa_edge_n.py'
model = dict(
    backbone=dict(widen_factor=0.3125),
    neck=dict(in_channels=(80, 160, 320), channels=80),
    mask_head=dict(in_channels=(80, 80, 80)))
