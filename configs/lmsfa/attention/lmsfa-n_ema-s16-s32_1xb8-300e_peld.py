"""LMSF-A-n with EMA at strides 16 and 32 of the backbone only, as Section III-B says."""
_base_ = '../lmsfa-n_1xb8-300e_peld.py'
plain = dict(type='C2fPro', unit=dict(type='RVBUnit', attention=None))
model = dict(backbone=dict(block=[plain, plain, dict(type='C2fPro'), dict(type='C2fPro')]))
