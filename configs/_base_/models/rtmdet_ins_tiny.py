"""mmdet's RTMDet-Ins-tiny, from scratch: no weights are downloaded."""
_base_ = './rtmdet_ins_s.py'
model = dict(
    backbone=dict(deepen_factor=0.167, widen_factor=0.375),
    neck=dict(in_channels=[96, 192, 384], out_channels=96),
    bbox_head=dict(in_channels=96, feat_channels=96))
