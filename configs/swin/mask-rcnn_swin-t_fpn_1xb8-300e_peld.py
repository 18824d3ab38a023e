"""Mask R-CNN Swin-T with its authors' AdamW, 640x640, 300 epochs."""
_base_ = [
    '../_base_/models/mask_rcnn_swin_t.py', '../_base_/datasets/peld_instance.py',
    '../_base_/schedules/adamw_300e.py', '../_base_/default_runtime.py'
]
optim_wrapper = dict(
    optimizer=dict(lr=1e-4),
    paramwise_cfg=dict(custom_keys=dict(relative_position_bias_table=dict(decay_mult=0.))))
