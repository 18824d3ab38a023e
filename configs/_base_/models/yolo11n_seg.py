"""YOLO11n-seg from this project's parts."""
_base_ = './yolov8n_seg.py'
narrow = dict(type='C3k2', expansion=0.25)
plain = dict(type='C3k2')
nested = dict(type='C3k2', unit=dict(type='C3k'))
model = dict(
    backbone=dict(
        deepen_factor=0.5,
        num_blocks=(2, 2, 2, 2),
        block_channels=(256, 512, 512, 1024),
        block=[narrow, narrow, nested, nested],
        top_block=dict(type='C2PSA')),
    neck=dict(
        in_channels=(128, 128, 256),
        out_channels=(64, 128, 256),
        deepen_factor=0.5,
        num_blocks=2,
        block=[plain, plain, plain, nested],
        shortcut=True),
    mask_head=dict(type='YOLO11SegHead'))
