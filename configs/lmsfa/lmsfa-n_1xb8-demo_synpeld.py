"""LMSF-A-n for `make demo`: a small SynPELD at 256x256, a few minutes on two CPU cores."""
_base_ = [
    '../_base_/models/lmsfa_n.py', '../_base_/datasets/peld_instance.py',
    '../_base_/schedules/adamw_30e.py', '../_base_/default_runtime.py'
]
img_scale = (256, 256)
max_epochs = 30
close_mosaic_epochs = 10

_base_.load_pipeline[3].scale = img_scale
_base_.train_pipeline[0].img_scale = img_scale
_base_.train_pipeline[1].img_scale = img_scale
_base_.test_pipeline[1].scale = img_scale
train_dataloader = dict(
    dataset=dict(dataset=dict(pipeline=_base_.load_pipeline), pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

train_cfg = dict(max_epochs=max_epochs, val_interval=10, dynamic_intervals=[(max_epochs - 4, 2)])
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, begin=0, end=3, by_epoch=True,
         convert_to_iter_based=True),
    dict(type='LinearLR', start_factor=1.0, end_factor=0.01, begin=3, end=max_epochs,
         by_epoch=True, convert_to_iter_based=True),
]
custom_hooks = [
    dict(type='ChannelsLastHook'),
    dict(type='EpochSeedHook'),
    dict(type='CloseMosaicHook', num_last_epochs=close_mosaic_epochs),
    dict(type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.01, gamma=150,
         update_buffers=True, priority=49),
]
