"""SynPELD at 320x320: the project's short comparisons on a machine without a GPU.

The data are those of ``docs/peld.md``, made by ``make_synpeld.py`` and split by patient.
"""
_base_ = './peld_instance.py'
img_scale = (320, 320)

_base_.load_pipeline[3].scale = img_scale
_base_.train_pipeline[0].img_scale = img_scale
_base_.train_pipeline[1].img_scale = img_scale
_base_.test_pipeline[1].scale = img_scale
train_dataloader = dict(
    dataset=dict(dataset=dict(pipeline=_base_.load_pipeline), pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
