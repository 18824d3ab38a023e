"""SparseInst R50 (G-IAM) with its authors' AdamW, 640x640, 300 epochs.

Their rate is 5e-5 for 64 images and a pretrained backbone; from scratch it gets 1e-4.
"""
_base_ = [
    '../_base_/models/sparseinst_r50.py', '../_base_/datasets/peld_instance.py',
    '../_base_/schedules/adamw_300e.py', '../_base_/default_runtime.py'
]
optim_wrapper = dict(optimizer=dict(lr=1e-4))
