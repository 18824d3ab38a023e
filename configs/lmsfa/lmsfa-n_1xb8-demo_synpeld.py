"""LMSF-A-n for `make demo`: a small SynPELD at 256x256, a few minutes on two CPU cores."""
_base_ = [
    '../_base_/models/lmsfa_n.py', '../_base_/datasets/peld_instance.py',
    '../_base_/schedules/adamw_30e.py', '../_base_/default_runtime.py'
]
img_scale = (256, 256)

_base_.load_pipeline[3].scale = img_scale
_base_.train_pipeline[0].img_scale = img_scale
_base_.train_pipeline[1].img_scale = img_scale
_base_.test_pipeline[1].scale = img_scale
train_dataloader = dict(
    dataset=dict(dataset=dict(pipeline=_base_.load_pipeline), pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

# Few objects and images: look more often towards the end, average over a shorter window.
train_cfg = dict(val_interval=10, dynamic_intervals=[(26, 2)])
_base_.custom_hooks[3].momentum = 0.01
_base_.custom_hooks[3].gamma = 150
custom_hooks = _base_.custom_hooks
