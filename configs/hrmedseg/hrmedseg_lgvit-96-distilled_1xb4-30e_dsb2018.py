"""HRMedSeg from an encoder and neck that were distilled from LMSF-A-n."""
_base_ = './hrmedseg_lgvit-96_1xb4-30e_dsb2018.py'
student = 'work_dirs/lgvit-96-distill_lmsfa-n_1xb4-20e_dsb2018/epoch_20.pth'
model = dict(
    backbone=dict(init_cfg=dict(type='Pretrained', checkpoint=student, prefix='backbone.')),
    neck=dict(init_cfg=dict(type='Pretrained', checkpoint=student, prefix='neck.')))
