"""RTMDet-Ins-s on DSB2018: 256x256, 30 epochs of AdamW from scratch."""
_base_ = [
    '../_base_/models/rtmdet_ins_s.py', '../_base_/datasets/dsb2018_instance.py',
    '../_base_/schedules/adamw_30e.py', '../_base_/default_runtime.py'
]
model = dict(bbox_head=dict(num_classes=1), test_cfg=dict(max_per_img=300))
# Its levels share convolutions.
optim_wrapper = dict(paramwise_cfg=dict(bypass_duplicate=True))
