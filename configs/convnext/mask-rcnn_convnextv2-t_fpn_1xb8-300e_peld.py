"""Mask R-CNN ConvNeXt V2-T with its authors' AdamW, 640x640, 300 epochs."""
_base_ = [
    '../_base_/models/mask_rcnn_convnextv2_t.py', '../_base_/datasets/peld_instance.py',
    '../_base_/schedules/adamw_300e.py', '../_base_/default_runtime.py'
]
optim_wrapper = dict(optimizer=dict(lr=1e-4))
