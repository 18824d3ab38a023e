"""Table VI, SE: YOLOv8n-seg with SE in each unit of the backbone."""
_base_ = '../ablation/lmsfa-n_base_1xb8-300e_peld.py'
unit = dict(type='AttentiveDarknetUnit', attention=dict(type='SEAttention'))
model = dict(backbone=dict(block=dict(unit=unit)))
