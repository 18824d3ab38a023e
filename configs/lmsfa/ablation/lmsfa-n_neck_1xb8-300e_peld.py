"""Ablation row 3: SSFF + TFE neck."""
_base_ = '../lmsfa-n_1xb8-300e_peld.py'
model = dict(
    backbone=dict(block=dict(type='C2f')),
    neck=dict(block=dict(type='C2f')),
    mask_head=dict(type='YOLOv8SegHead'))
