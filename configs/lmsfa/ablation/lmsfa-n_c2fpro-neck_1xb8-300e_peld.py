"""Ablation row 5: C2f-Pro, SSFF + TFE neck."""
_base_ = '../lmsfa-n_1xb8-300e_peld.py'
model = dict(mask_head=dict(type='YOLOv8SegHead'))
