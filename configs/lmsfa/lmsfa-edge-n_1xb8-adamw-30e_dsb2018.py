"""LMSF-A edge, size n, on DSB2018: 256x256, 30 epochs of AdamW from scratch."""
_base_ = [
    '../_base_/models/lmsfa_edge_n.py', '../_base_/datasets/dsb2018_instance.py',
    '../_base_/schedules/adamw_30e.py', '../_base_/default_runtime.py'
]
model = dict(mask_head=dict(num_classes=1), test_cfg=dict(max_per_img=300))
