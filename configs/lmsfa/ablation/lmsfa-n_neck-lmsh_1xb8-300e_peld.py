"""Ablation row 7: SSFF + TFE neck, LMSH."""
_base_ = './lmsfa-n_neck_1xb8-300e_peld.py'
model = dict(mask_head=dict(type='LMSHead'))
