"""30 epochs of SGD at learning rate 0.01: the budget of the DSB2018 comparison."""
_base_ = './sgd_300e.py'
max_epochs = 30
base_lr = 1e-2
train_cfg = dict(max_epochs=max_epochs, val_interval=5,
                 dynamic_intervals=[(max_epochs - 2, 1)])
optim_wrapper = dict(optimizer=dict(lr=base_lr))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, begin=0, end=3, by_epoch=True,
         convert_to_iter_based=True),
    dict(type='LinearLR', start_factor=1.0, end_factor=0.01, begin=3, end=max_epochs,
         by_epoch=True, convert_to_iter_based=True),
]
