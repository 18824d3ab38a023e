"""Table VII, C2f-CG: YOLOv8n-seg with ContextGuidedUnits in its C2f blocks."""
_base_ = '../ablation/lmsfa-n_base_1xb8-300e_peld.py'
block = dict(unit=dict(type='ContextGuidedUnit'))
model = dict(backbone=dict(block=block), neck=dict(block=block))
