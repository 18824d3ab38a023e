"""Table VI, SimAM: YOLOv8n-seg with SimAM in each unit of the backbone."""
_base_ = '../ablation/lmsfa-n_base_1xb8-300e_peld.py'
unit = dict(type='AttentiveDarknetUnit', attention=dict(type='SimAM'))
model = dict(backbone=dict(block=dict(unit=unit)))
