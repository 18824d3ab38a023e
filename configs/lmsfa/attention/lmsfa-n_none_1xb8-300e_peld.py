"""LMSF-A-n without attention in its RVB units."""
_base_ = '../lmsfa-n_1xb8-300e_peld.py'
block = dict(type='C2fPro', unit=dict(type='RVBUnit', attention=None))
model = dict(backbone=dict(block=block), neck=dict(block=block))
