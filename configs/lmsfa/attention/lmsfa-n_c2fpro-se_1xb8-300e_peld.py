"""Ablation row 2 with SE in the RVB units, RepViT's own attention, instead of EMA."""
_base_ = '../ablation/lmsfa-n_c2fpro_1xb8-300e_peld.py'
block = dict(unit=dict(type='RVBUnit', attention=dict(type='SEAttention')))
model = dict(backbone=dict(block=block), neck=dict(block=block))
