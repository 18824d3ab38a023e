"""LMSF-A edge, size n: units that become one convolution, ReLU, norms that fold, direct boxes."""
_base_ = './lmsfa_n.py'
act_cfg = dict(type='ReLU', inplace=True)
# Dense kernels where maps are fine, large depthwise ones where structures fit into few cells.
dense = dict(type='C2f', unit=dict(type='RepDenseUnit'))
large = dict(type='C2f', unit=dict(type='RepLargeKernelUnit'))
model = dict(
    init_cfg=dict(type='PlainConvInit'),
    backbone=dict(block=[dense, dense, large, large], out_indices=(1, 2, 4), act_cfg=act_cfg),
    neck=dict(_delete_=True, type='EdgeNeck', in_channels=(64, 128, 256), channels=64),
    mask_head=dict(
        type='EdgeHead', in_channels=(64, 64, 64),
        loss_bbox=dict(type='StableCIoULoss', loss_weight=7.5, aspect_from=-1)),
    train_cfg=dict(assigner=dict(
        _delete_=True, type='InsideFirstAssigner', topk=10, min_side=16)))
