"""LightMedSeg-A with 4 anchors."""
_base_ = '../lightmedseg-a_1xb2-60e_synbrain-lesion.py'
model = dict(network=dict(num_anchors=4))
