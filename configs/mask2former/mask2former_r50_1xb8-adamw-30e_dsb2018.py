"""Mask2Former R50 with 300 queries on DSB2018: 256x256, 30 epochs of AdamW from scratch."""
_base_ = [
    '../_base_/models/mask2former_r50.py', '../_base_/datasets/dsb2018_instance.py',
    '../_base_/schedules/adamw_30e.py', '../_base_/default_runtime.py'
]
model = dict(
    panoptic_head=dict(
        num_queries=300, num_things_classes=1, loss_cls=dict(class_weight=[1.0, 0.1])),
    panoptic_fusion_head=dict(num_things_classes=1),
    test_cfg=dict(max_per_image=300))
no_decay = dict(decay_mult=0.)
optim_wrapper = dict(
    optimizer=dict(lr=2e-4),
    paramwise_cfg=dict(custom_keys=dict(
        query_embed=no_decay, query_feat=no_decay, level_embed=no_decay)),
    clip_grad=dict(max_norm=0.01))
