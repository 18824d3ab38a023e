"""30 epochs of AdamW: the project's recipe for short trainings from scratch."""
_base_ = './sgd_30e.py'
base_lr = 2e-3
max_epochs = 30
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=base_lr, betas=(0.9, 0.999),
                   weight_decay=0.05))
custom_hooks = [
    dict(type='ChannelsLastHook'),
    dict(type='EpochSeedHook'),
    dict(type='CloseMosaicHook', num_last_epochs=10),
    # A window of some three epochs; the default's hardly averages in so short a run.
    dict(type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.005, gamma=300,
         update_buffers=True, priority=49),
]
