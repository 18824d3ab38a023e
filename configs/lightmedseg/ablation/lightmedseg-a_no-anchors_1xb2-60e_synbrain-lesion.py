"""LightMedSeg-A without anchors, FiLM and position bias."""
_base_ = '../lightmedseg-a_1xb2-60e_synbrain-lesion.py'
model = dict(network=dict(num_anchors=0))
