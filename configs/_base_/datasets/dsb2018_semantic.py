"""DSB2018 nuclei by area, one class, at 512x512."""
_base_ = './peld_semantic.py'
dataset_type = 'NucleiDataset'
data_root = 'data/dsb2018/'

train_dataloader = dict(
    dataset=dict(type=dataset_type, data_root=data_root, data_prefix=dict(img='train/')))
val_dataloader = dict(
    dataset=dict(type=dataset_type, data_root=data_root, data_prefix=dict(img='val/')))
test_dataloader = dict(
    dataset=dict(type=dataset_type, data_root=data_root, data_prefix=dict(img='val/'),
                 ann_file='annotations/instances_val.json'))
val_evaluator = dict(ann_file=data_root + 'annotations/instances_val.json')
test_evaluator = dict(ann_file=data_root + 'annotations/instances_val.json')
