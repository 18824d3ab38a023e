"""PELD (or SynPELD) by class area, at 512x512: the same COCO files, read by semantic models."""
_base_ = './peld_instance.py'
img_scale = (512, 512)

train_pipeline = [
    dict(type='LoadImageFromFile', backend_args=_base_.backend_args),
    dict(type='LoadPolygonAnnotations'),
    dict(type='DropKeys', keys=('instances',)),
    dict(type='Resize', scale=img_scale, keep_ratio=True),
    # No object is dropped, however little of it is left: its pixels would become background.
    dict(type='PolygonRandomAffine', img_scale=img_scale, scale_range=(0.75, 1.5),
         min_bbox_size=0, min_area_ratio=0),
    dict(type='YOLOXHSVRandomAug'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
_base_.test_pipeline[1].scale = img_scale
train_dataloader = dict(
    batch_size=4,
    dataset=dict(
        _delete_=True,
        type=_base_.dataset_type,
        data_root=_base_.data_root,
        ann_file='annotations/instances_train.json',
        data_prefix=dict(img='images/'),
        filter_cfg=dict(filter_empty_gt=False),
        pipeline=train_pipeline,
        backend_args=_base_.backend_args))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
val_evaluator = dict(
    _delete_=True, type='SemanticMetric',
    ann_file=_base_.data_root + 'annotations/instances_val.json')
test_evaluator = dict(
    _delete_=True, type='SemanticMetric',
    ann_file=_base_.data_root + 'annotations/instances_test.json')
