"""MONAI's DynUNet cut to 0.46 M parameters, in LightMedSeg's harness."""
_base_ = './lightmedseg_a.py'
model = dict(
    network=dict(
        _delete_=True, type='MONAINetwork', name='DynUNet', spatial_dims=3, in_channels=4,
        out_channels=4, kernel_size=(3, 3, 3, 3), strides=(1, 2, 2, 2),
        upsample_kernel_size=(2, 2, 2),
        filters=(10, 20, 40, 64)))
