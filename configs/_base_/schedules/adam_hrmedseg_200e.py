"""The HRMedSeg authors' recipe: 200 epochs of Adam, batch 16, the rate falling by 2 % an epoch."""
_base_ = './adamw_semantic_30e.py'
max_epochs = 200
train_cfg = dict(max_epochs=max_epochs, val_interval=1, dynamic_intervals=None)
optim_wrapper = dict(
    _delete_=True, type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3))
param_scheduler = [dict(type='ExponentialLR', gamma=0.98, by_epoch=True)]
custom_hooks = [dict(type='ChannelsLastHook'), dict(type='EpochSeedHook'),
                dict(type='ClassesPresentHook')]
