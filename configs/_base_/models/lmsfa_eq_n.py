"""LMSF-A, size n, as Section III's equations describe it (the equation wiring)."""
_base_ = './lmsfa_n.py'
plain = dict(type='C2fPro', unit=dict(type='GatedRVBUnit', attention=None))
gated = dict(type='C2fPro', unit=dict(type='GatedRVBUnit'))
model = dict(
    # Section III-B: the gate at strides 16 and 32 only.
    backbone=dict(block=[plain, plain, gated, gated], out_indices=(1, 2, 4)),
    neck=dict(
        _delete_=True,
        type='ScaleSequenceNeck',
        in_channels=(64, 128, 256),
        channels=64),
    mask_head=dict(type='ScaleSharedHead', in_channels=(64, 64, 64), feat_channels=64))
