"""MONAI's SegResNet at HRMedSeg's size (3.54 M parameters)."""
_base_ = './monai_unet.py'
model = dict(network='SegResNet', options=dict(_delete_=True, init_filters=24))
