"""Distillation: 20 epochs of Adam, batch 4, the rate falling by 2 % an epoch (the authors')."""
_base_ = './adam_hrmedseg_200e.py'
max_epochs = 20
train_cfg = dict(max_epochs=max_epochs)
custom_hooks = [dict(type='ChannelsLastHook'), dict(type='EpochSeedHook')]
