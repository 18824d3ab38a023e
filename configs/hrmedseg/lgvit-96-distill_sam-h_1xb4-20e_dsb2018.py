"""LGViT-96 learns SAM ViT-H's embedding at 1024x1024, as the authors pretrain it.

The teacher's weights, ``sam_vit_h_4b8939.pth``, are Meta's (Apache-2.0); download them into
``weights/``. They are read without running code. Any folder of images with a COCO file will do;
objects are not read.
"""
_base_ = [
    '../_base_/models/lgvit-96_distiller.py', '../_base_/datasets/dsb2018_semantic.py',
    '../_base_/semantic_runtime.py', '../_base_/schedules/adam_distill_20e.py'
]
img_scale = (1024, 1024)
_base_.train_pipeline[3].scale = img_scale
_base_.train_pipeline[4].img_scale = img_scale
_base_.test_pipeline[1].scale = img_scale
model = dict(
    teacher=dict(type='SAMEncoder'),
    teacher_checkpoint='weights/sam_vit_h_4b8939.pth',
    teacher_prefix='image_encoder.')
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
default_hooks = dict(checkpoint=dict(save_best='distillation/mse', rule='less'))
val_evaluator = dict(_delete_=True, type='FeatureErrorMetric')
test_evaluator = dict(_delete_=True, type='FeatureErrorMetric')
