"""Ablation row 4 (LMSH) with GroupNorm outside the head as well."""
_base_ = '../ablation/lmsfa-n_lmsh_1xb8-300e_peld.py'
norm_cfg = dict(type='GN', num_groups=8)
block = dict(type='C2f', unit=dict(type='DarknetUnit', norm_cfg=norm_cfg))
model = dict(backbone=dict(block=block, norm_cfg=norm_cfg),
             neck=dict(block=block, norm_cfg=norm_cfg), mask_head=dict(norm_cfg=norm_cfg))
