"""HRMedSeg as released: 3,526,364 parameters, 1024x1024, the authors' recipe of 200 epochs.

Three mask tokens, of which one is used, and weights for prompts, which nothing uses.
"""
_base_ = [
    '../_base_/models/hrmedseg_lgvit-96.py', '../_base_/datasets/dsb2018_semantic.py',
    '../_base_/schedules/adam_hrmedseg_200e.py', '../_base_/semantic_runtime.py'
]
img_scale = (1024, 1024)
model = dict(
    prompt_encoder=dict(prompts=True), decode_head=dict(num_classes=1, num_mask_tokens=3))

_base_.test_pipeline[1].scale = img_scale
# The authors resize and flip one image in ten; nothing else.
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadPolygonAnnotations'),
    dict(type='DropKeys', keys=('instances',)),
    dict(type='Resize', scale=img_scale, keep_ratio=True),
    dict(type='RandomFlip', prob=0.1),
    dict(type='PackDetInputs'),
]
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
