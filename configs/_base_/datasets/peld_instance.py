"""PELD (or SynPELD): four structures of spinal endoscopy, COCO format, shared by all models."""
dataset_type = 'PELDDataset'
data_root = 'data/peld/'
backend_args = None
img_scale = (640, 640)

load_pipeline = [
    dict(type='LoadImageFromFile', backend_args=backend_args),
    # Polygons, not bitmaps: the geometric transforms move vertices.
    dict(type='LoadPolygonAnnotations'),
    dict(type='DropKeys', keys=('instances',)),
    dict(type='Resize', scale=img_scale, keep_ratio=True),
]
train_pipeline = [
    dict(type='PolygonMosaic', img_scale=img_scale),
    dict(type='PolygonRandomAffine', img_scale=img_scale, scale_range=(0.5, 1.5)),
    dict(type='YOLOXHSVRandomAug'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile', backend_args=backend_args),
    dict(type='Resize', scale=img_scale, keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')),
]

train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    # Workers start anew each epoch, which makes runs resumable to the same augmentations and
    # lets hooks change the pipeline.
    persistent_workers=False,
    worker_init_fn=dict(type='epoch_worker_init_fn'),
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='MultiImageMixDataset',
        dataset=dict(
            type=dataset_type,
            data_root=data_root,
            ann_file='annotations/instances_train.json',
            data_prefix=dict(img='images/'),
            filter_cfg=dict(filter_empty_gt=False),
            pipeline=load_pipeline,
            backend_args=backend_args),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations/instances_val.json',
        data_prefix=dict(img='images/'),
        test_mode=True,
        pipeline=test_pipeline,
        backend_args=backend_args))
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations/instances_test.json',
        data_prefix=dict(img='images/'),
        test_mode=True,
        pipeline=test_pipeline,
        backend_args=backend_args))

val_evaluator = dict(
    type='InstanceMetric',
    ann_file=data_root + 'annotations/instances_val.json',
    metric=['bbox', 'segm'],
    backend_args=backend_args)
test_evaluator = dict(
    type='InstanceMetric',
    ann_file=data_root + 'annotations/instances_test.json',
    metric=['bbox', 'segm'],
    backend_args=backend_args)
