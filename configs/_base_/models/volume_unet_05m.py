"""MONAI's UNet cut to 0.50 M parameters, in LightMedSeg's harness."""
_base_ = './lightmedseg_a.py'
model = dict(
    network=dict(
        _delete_=True, type='MONAINetwork', name='UNet', spatial_dims=3, in_channels=4,
        out_channels=4, channels=(8, 16, 32, 64, 128), strides=(2, 2, 2, 2), num_res_units=0))
