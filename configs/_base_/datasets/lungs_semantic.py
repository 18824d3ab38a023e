"""Lung fields on CT slices (tools/data/lung_fields.py) at 1024x1024, the HRMedSeg paper's size."""
_base_ = './peld_semantic.py'
dataset_type = 'LungFieldsDataset'
data_root = 'data/lungs/'
img_scale = (1024, 1024)

_base_.train_pipeline[3].scale = img_scale
_base_.train_pipeline[4].img_scale = img_scale
# One patient to learn from: without large shifts the place in the picture is learned with the lung.
_base_.train_pipeline[4].update(scale_range=(0.6, 1.5), max_translate=0.3, max_rotate=15)
_base_.train_pipeline[6] = dict(
    type='RandomFlip', prob=[0.4, 0.4], direction=['horizontal', 'vertical'])
_base_.test_pipeline[1].scale = img_scale
train_dataloader = dict(dataset=dict(
    type=dataset_type, data_root=data_root, pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(
    type=dataset_type, data_root=data_root, pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(
    type=dataset_type, data_root=data_root, pipeline=_base_.test_pipeline))
val_evaluator = dict(ann_file=data_root + 'annotations/instances_val.json')
test_evaluator = dict(ann_file=data_root + 'annotations/instances_test.json')
