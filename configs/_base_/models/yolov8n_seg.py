"""YOLOv8n-seg from this project's parts: row 1 of the ablation."""
_base_ = './lmsfa_n.py'
model = dict(
    backbone=dict(block=dict(type='C2f'), out_indices=(1, 2, 4)),
    neck=dict(
        _delete_=True,
        type='YOLOv8PAFPN',
        in_channels=(64, 128, 256),
        deepen_factor=0.33,
        block=dict(type='C2f')),
    mask_head=dict(type='YOLOv8SegHead'))
