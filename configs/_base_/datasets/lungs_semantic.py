"""Lung fields on CT slices (tools/data/lung_fields.py) at 1024x1024, the HRMedSeg paper's size."""
_base_ = './peld_semantic.py'
dataset_type = 'LungFieldsDataset'
data_root = 'data/lungs/'
img_scale = (1024, 1024)

_base_.train_pipeline[3].scale = img_scale
_base_.train_pipeline[4].img_scale = img_scale
_base_.test_pipeline[1].scale = img_scale
train_dataloader = dict(dataset=dict(
    type=dataset_type, data_root=data_root, pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(
    type=dataset_type, data_root=data_root, pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(
    type=dataset_type, data_root=data_root, pipeline=_base_.test_pipeline))
val_evaluator = dict(ann_file=data_root + 'annotations/instances_val.json')
test_evaluator = dict(ann_file=data_root + 'annotations/instances_test.json')
