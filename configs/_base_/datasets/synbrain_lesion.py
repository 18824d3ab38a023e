"""SynBrain, lesion task: three nested regions as in BraTS, four modalities, 64^3 crops."""
dataset_type = 'VolumeDataset'
data_root = 'data/synbrain/'
ann_file = 'dataset_lesion.json'
crop = (64, 64, 64)

load_pipeline = [
    dict(type='MONAITransforms', transforms=[
        dict(type='LoadImaged', keys=('image', 'label'), ensure_channel_first=True,
             image_only=True, allow_missing_keys=True),
        dict(type='Orientationd', keys=('image', 'label'), axcodes='RAS',
             allow_missing_keys=True),
        dict(type='NormalizeIntensityd', keys='image', nonzero=True, channel_wise=True),
    ]),
    dict(type='MapLabelValues'),
]
train_pipeline = [
    dict(type='MONAITransforms', transforms=[
        # Half of the crops are centred in the foreground.
        dict(type='RandCropByPosNegLabeld', keys=('image', 'label'), label_key='label',
             spatial_size=crop, pos=1, neg=1, num_samples=1, image_key='image',
             image_threshold=0, allow_smaller=True),
        dict(type='SpatialPadd', keys=('image', 'label'), spatial_size=crop),
        *(dict(type='RandFlipd', keys=('image', 'label'), prob=0.5, spatial_axis=axis)
          for axis in range(3)),
        dict(type='RandScaleIntensityd', keys='image', factors=0.1, prob=0.5),
        dict(type='RandShiftIntensityd', keys='image', offsets=0.1, prob=0.5),
    ]),
    dict(type='PackVolume'),
]
test_pipeline = [dict(type='PackVolume')]

train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type=dataset_type, data_root=data_root, ann_file=ann_file, subset='training',
                 load_pipeline=load_pipeline, pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type=dataset_type, data_root=data_root, ann_file=ann_file, subset='validation',
                 load_pipeline=load_pipeline, pipeline=test_pipeline))
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type=dataset_type, data_root=data_root, ann_file=ann_file, subset='test',
                 load_pipeline=load_pipeline, pipeline=test_pipeline, cache=False))
val_evaluator = dict(
    type='VolumeMetric',
    regions={'whole tumour': (1, 2, 3), 'tumour core': (2, 3), 'enhancing tumour': (3,)})
test_evaluator = val_evaluator
