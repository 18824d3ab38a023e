"""RTMDet-Ins-s with the project's AdamW recipe, 640x640, 300 epochs."""
_base_ = [
    '../_base_/models/rtmdet_ins_s.py', '../_base_/datasets/peld_instance.py',
    '../_base_/schedules/adamw_300e.py', '../_base_/default_runtime.py'
]
# Its levels share convolutions.
optim_wrapper = dict(paramwise_cfg=dict(bypass_duplicate=True))
