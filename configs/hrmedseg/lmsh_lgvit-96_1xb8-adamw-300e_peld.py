"""LMSF-A's neck and head on LGViT-96, with ViTDet's simple pyramid between them."""
_base_ = '../lmsfa/lmsfa-n_1xb8-adamw-300e_peld.py'
custom_imports = dict(
    imports=[*_base_.custom_imports.imports, 'projects.hrmedseg.models'],
    allow_failed_imports=False)
levels = (32, 64, 128, 256, 256)
model = dict(
    backbone=dict(_delete_=True, type='LGViT', dim=96),
    neck=[
        dict(type='SimplePyramid', in_channels=96, out_channels=levels, strides=(4, 8, 16, 32, 32)),
        dict(type='SSFFTFENeck', in_channels=levels, deepen_factor=0.33,
             block=dict(type='C2fPro')),
    ])
