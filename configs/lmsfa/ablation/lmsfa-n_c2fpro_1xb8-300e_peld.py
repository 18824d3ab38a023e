"""Ablation row 2: C2f-Pro."""
_base_ = './lmsfa-n_base_1xb8-300e_peld.py'
model = dict(backbone=dict(block=dict(type='C2fPro')), neck=dict(block=dict(type='C2fPro')))
