"""LMSF-A edge, size n, on DSB2018: 256x256, 30 epochs of AdamW from scratch."""
_base_ = [
    '../_base_/models/lmsfa_edge_n.py', '../_base_/datasets/dsb2018_instance.py',
    '../_base_/schedules/adamw_30e.py', '../_base_/default_runtime.py'
]
model = dict(mask_head=dict(num_classes=1), test_cfg=dict(max_per_img=300))

# What YOLOv8 trains with; docs/training.md says what it is worth.
_base_.train_pipeline[1].min_area_ratio = 0.01
_base_.train_pipeline[2] = dict(type='HSVGain')
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
custom_hooks = [*_base_.custom_hooks, dict(type='BiasWarmupHook')]
