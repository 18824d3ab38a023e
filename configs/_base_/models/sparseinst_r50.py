"""SparseInst with ResNet-50 and grouped activation maps, from scratch.

mmdet has it among its projects only, which are not part of the package; this is the project's own.
"""
model = dict(
    type='SingleStageInstanceSegmentor',
    data_preprocessor=dict(
        type='DetDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True, pad_mask=True, pad_size_divisor=32),
    backbone=dict(type='ResNet', depth=50, out_indices=(1, 2, 3), norm_eval=False),
    neck=dict(type='InstanceContextEncoder', in_channels=(512, 1024, 2048), channels=256),
    mask_head=dict(type='SparseInstHead', num_classes=4, num_masks=100),
    test_cfg=dict(score_thr=0.001, max_per_img=100, mask_thr_binary=0.45))
