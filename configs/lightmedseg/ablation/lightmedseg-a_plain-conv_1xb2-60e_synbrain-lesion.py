"""LightMedSeg-A with plain convolutions for ghost ones."""
_base_ = '../lightmedseg-a_1xb2-60e_synbrain-lesion.py'
model = dict(network=dict(conv=dict(type='PlainConv3D')))
