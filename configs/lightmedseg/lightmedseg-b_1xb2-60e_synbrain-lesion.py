"""LightMedSeg, configuration B: 14.66 G multiply-accumulates, for who reads the paper so."""
_base_ = './lightmedseg-a_1xb2-60e_synbrain-lesion.py'
model = dict(network=dict(
    stem_channels=28, stage_channels=(28, 56, 56, 64), router=dict(channels=48, routed=(1, 2, 3)),
    prior=dict(gate_kernel=3), decoder_channels=(56, 56, 28, 28)))
