"""Table VII, C2f-Star: YOLOv8n-seg with StarUnits in its C2f blocks."""
_base_ = '../ablation/lmsfa-n_base_1xb8-300e_peld.py'
# StarNet's own ratio is 4; 2 gives the table's printed parameters and FLOPs.
block = dict(unit=dict(type='StarUnit', expand_ratio=2))
model = dict(backbone=dict(block=block), neck=dict(block=block))
