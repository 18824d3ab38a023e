"""30 epochs of AdamW from scratch, batch 4: the budget of all semantic comparisons."""
max_epochs = 30
base_lr = 1e-3
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=5,
                 dynamic_intervals=[(max_epochs - 2, 1)])
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=base_lr, betas=(0.9, 0.999), weight_decay=0.01),
    paramwise_cfg=dict(norm_decay_mult=0., bias_decay_mult=0., bypass_duplicate=True),
    clip_grad=dict(max_norm=1.0, norm_type=2))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-2, begin=0, end=1, by_epoch=True,
         convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min=base_lr / 100, begin=1, end=max_epochs,
         T_max=max_epochs - 1, by_epoch=True, convert_to_iter_based=True),
]
custom_hooks = [
    dict(type='ChannelsLastHook'),
    dict(type='EpochSeedHook'),
    dict(type='ClassesPresentHook'),
    dict(type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.005, gamma=300,
         update_buffers=True, priority=49),
]
