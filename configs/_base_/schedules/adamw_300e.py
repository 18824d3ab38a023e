"""300 epochs of AdamW: the project's stronger recipe for full trainings."""
_base_ = './sgd_300e.py'
base_lr = 1e-3
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=base_lr, betas=(0.9, 0.999),
                   weight_decay=0.05))
