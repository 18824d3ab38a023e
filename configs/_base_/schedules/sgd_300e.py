"""The paper's recipe: SGD, momentum 0.9, initial learning rate 1e-3, 300 epochs."""
max_epochs = 300
base_lr = 1e-3
close_mosaic_epochs = 10

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=10,
                 dynamic_intervals=[(max_epochs - close_mosaic_epochs, 1)])
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=base_lr, momentum=0.9, nesterov=True, weight_decay=5e-4),
    paramwise_cfg=dict(norm_decay_mult=0., bias_decay_mult=0.),
    clip_grad=dict(max_norm=10., norm_type=2))
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
    dict(type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.0001, gamma=2000,
         update_buffers=True, priority=49),
]
# Batch size the learning rate was chosen for; used with --auto-scale-lr.
auto_scale_lr = dict(enable=False, base_batch_size=8)
