"""HRMedSeg with softmax attention in LGViT's place of linear attention, to measure against."""
_base_ = './hrmedseg_lgvit-96_1xb4-30e_dsb2018.py'
model = dict(backbone=dict(attention=dict(type='GatedSoftmaxAttention')))
