"""Mask R-CNN Swin-T on DSB2018: 256x256, 30 epochs of AdamW from scratch."""
_base_ = [
    '../_base_/models/mask_rcnn_swin_t.py', '../_base_/datasets/dsb2018_instance.py',
    '../_base_/schedules/adamw_30e.py', '../_base_/default_runtime.py'
]
model = dict(
    # Nuclei measure some 15 pixels; COCO's smallest anchor 32.
    rpn_head=dict(anchor_generator=dict(scales=[2])),
    roi_head=dict(bbox_head=dict(num_classes=1), mask_head=dict(num_classes=1)),
    test_cfg=dict(rcnn=dict(max_per_img=300)))
optim_wrapper = dict(
    optimizer=dict(lr=2e-4),
    paramwise_cfg=dict(custom_keys=dict(relative_position_bias_table=dict(decay_mult=0.))))
