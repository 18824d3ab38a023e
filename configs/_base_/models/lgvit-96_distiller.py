"""LGViT-96 and its neck as a student; the teacher is named by the config."""
_base_ = './hrmedseg_lgvit-96.py'
model = dict(
    _delete_=True,
    type='FeatureDistiller',
    data_preprocessor=_base_.model.data_preprocessor,
    backbone=_base_.model.backbone,
    neck=_base_.model.neck)
