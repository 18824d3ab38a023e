"""MONAI's SegResNet cut to 0.44 M parameters, in LightMedSeg's harness."""
_base_ = './lightmedseg_a.py'
model = dict(
    network=dict(
        _delete_=True, type='MONAINetwork', name='SegResNet', spatial_dims=3, in_channels=4,
        out_channels=4, init_filters=8, blocks_down=(1, 1, 1, 1), blocks_up=(1, 1, 1)))
