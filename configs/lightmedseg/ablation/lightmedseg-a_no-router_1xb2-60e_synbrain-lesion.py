"""LightMedSeg-A without skip router: each decoder stage reads its own encoder stage."""
_base_ = '../lightmedseg-a_1xb2-60e_synbrain-lesion.py'
model = dict(network=dict(router=dict(routed=())))
