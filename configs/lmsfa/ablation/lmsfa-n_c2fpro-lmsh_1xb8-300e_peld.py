"""Ablation row 6: C2f-Pro, LMSH."""
_base_ = './lmsfa-n_c2fpro_1xb8-300e_peld.py'
model = dict(mask_head=dict(type='LMSHead'))
