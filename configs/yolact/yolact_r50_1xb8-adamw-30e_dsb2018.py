"""YOLACT R50 on DSB2018: 256x256, 30 epochs of AdamW from scratch."""
_base_ = [
    '../_base_/models/yolact_r50.py', '../_base_/datasets/dsb2018_instance.py',
    '../_base_/schedules/adamw_30e.py', '../_base_/default_runtime.py'
]
model = dict(
    bbox_head=dict(num_classes=1), mask_head=dict(num_classes=1),
    test_cfg=dict(top_k=300, max_per_img=300))
optim_wrapper = dict(optimizer=dict(lr=2e-4))
