"""SynBrain, tissue task: CSF, grey and white matter."""
_base_ = './synbrain_lesion.py'
ann_file = 'dataset_tissue.json'
train_dataloader = dict(dataset=dict(ann_file=ann_file))
val_dataloader = dict(dataset=dict(ann_file=ann_file))
test_dataloader = dict(dataset=dict(ann_file=ann_file))
val_evaluator = dict(regions=None)
test_evaluator = dict(regions=None)
