"""LMSF-A-n with SE instead of EMA in every RVB unit."""
_base_ = '../lmsfa-n_1xb8-300e_peld.py'
block = dict(type='C2fPro', unit=dict(type='RVBUnit', attention=dict(type='SEAttention')))
model = dict(backbone=dict(block=block), neck=dict(block=block))
