"""HRMedSeg at width 192."""
_base_ = './hrmedseg_lgvit-96.py'
dim = 192
model = dict(backbone=dict(dim=dim), neck=dict(in_channels=dim))
