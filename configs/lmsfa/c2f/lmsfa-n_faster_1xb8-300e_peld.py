"""Table VII, C2f-Faster: YOLOv8n-seg with FasterUnits in its C2f blocks."""
_base_ = '../ablation/lmsfa-n_base_1xb8-300e_peld.py'
block = dict(unit=dict(type='FasterUnit'))
model = dict(backbone=dict(block=block), neck=dict(block=block))
