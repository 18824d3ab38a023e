"""Ablation row 1 with GroupNorm in the place of every BatchNorm, for the study of small batches."""
_base_ = '../ablation/lmsfa-n_base_1xb8-300e_peld.py'
# 8 divides every width of size n; 16 would leave one channel per group in the first layers.
norm_cfg = dict(type='GN', num_groups=8)
block = dict(type='C2f', unit=dict(type='DarknetUnit', norm_cfg=norm_cfg))
model = dict(backbone=dict(block=block, norm_cfg=norm_cfg),
             neck=dict(block=block, norm_cfg=norm_cfg), mask_head=dict(norm_cfg=norm_cfg))
