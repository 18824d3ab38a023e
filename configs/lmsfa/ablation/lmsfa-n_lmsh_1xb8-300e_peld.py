"""Ablation row 4: LMSH."""
_base_ = './lmsfa-n_base_1xb8-300e_peld.py'
model = dict(mask_head=dict(type='LMSHead'))
