"""LightMedSeg-A without texture routing: T = 0.5."""
_base_ = '../lightmedseg-a_1xb2-60e_synbrain-lesion.py'
model = dict(network=dict(prior=dict(use_texture=False)))
