"""Teeth on panoramic dental X-rays (Humans in the Loop, 598 images), the paper's second benchmark.

The download is a Supervisely project; once converted (``tools/data/supervisely.py``)
and split (``tools/data/split.py --by image``: one image a patient), it lies in
``data/teeth``.
"""
_base_ = './peld_instance.py'
dataset_type = 'TeethDataset'
data_root = 'data/teeth/'

# No flip: a mirrored tooth has another number.
train_pipeline = [step for step in _base_.train_pipeline if step.type != 'RandomFlip']
train_dataloader = dict(
    dataset=dict(dataset=dict(type=dataset_type, data_root=data_root), pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
test_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
val_evaluator = dict(ann_file=data_root + 'annotations/instances_val.json')
test_evaluator = dict(ann_file=data_root + 'annotations/instances_test.json')
