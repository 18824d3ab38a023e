"""LMSF-A edge, size n, from scratch on 40 images of DSB2018's training set."""
_base_ = '../lmsfa-edge-n_1xb8-adamw-30e_dsb2018.py'
train_dataloader = dict(dataset=dict(dataset=dict(indices=40)))
