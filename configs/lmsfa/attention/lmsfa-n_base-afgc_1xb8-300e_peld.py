"""Table VI, AFGC: YOLOv8n-seg with AFGC in each unit of the backbone."""
_base_ = '../ablation/lmsfa-n_base_1xb8-300e_peld.py'
unit = dict(type='AttentiveDarknetUnit', attention=dict(type='AFGCAttention'))
model = dict(backbone=dict(block=dict(unit=unit)))
