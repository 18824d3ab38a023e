"""Mask2Former R50 with its authors' AdamW, 640x640, 300 epochs.

Its authors train a pretrained backbone at a tenth of the rate; from scratch it gets all of it.
"""
_base_ = [
    '../_base_/models/mask2former_r50.py', '../_base_/datasets/peld_instance.py',
    '../_base_/schedules/adamw_300e.py', '../_base_/default_runtime.py'
]
no_decay = dict(decay_mult=0.)
optim_wrapper = dict(
    optimizer=dict(lr=1e-4),
    paramwise_cfg=dict(custom_keys=dict(
        query_embed=no_decay, query_feat=no_decay, level_embed=no_decay)),
    clip_grad=dict(max_norm=0.01))
