"""YOLOv8n-seg on DSB2018, trained as YOLOv8 does where this project's base differs.

Assignment inside the object first, the aspect ratio in CIoU at any overlap, PyTorch's initial
weights, biases that warm up from above, colour by factors, and objects of which a hundredth is left
in the picture. See docs/training.md for what is known about each.
"""
_base_ = './yolov8n-seg_1xb8-adamw-30e_dsb2018.py'
model = dict(
    init_cfg=dict(type='PlainConvInit'),
    mask_head=dict(loss_bbox=dict(type='StableCIoULoss', loss_weight=7.5, aspect_from=-1)),
    train_cfg=dict(assigner=dict(
        _delete_=True, type='InsideFirstAssigner', topk=10, min_side=16)))

_base_.train_pipeline[1].min_area_ratio = 0.01
_base_.train_pipeline[2] = dict(type='HSVGain')
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
custom_hooks = [*_base_.custom_hooks, dict(type='BiasWarmupHook')]
