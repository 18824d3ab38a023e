"""Table VIII, LQE: YOLOv8n-seg with that head."""
_base_ = '../ablation/lmsfa-n_base_1xb8-300e_peld.py'
model = dict(mask_head=dict(type='LQEHead'))
