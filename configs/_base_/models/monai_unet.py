"""MONAI's residual UNet at HRMedSeg's size (3.65 M parameters)."""
model = dict(
    type='MonaiSegmentor',
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_mask=True,
        pad_size_divisor=16),
    network='UNet',
    num_classes=4,
    options=dict(channels=(24, 48, 96, 192, 384), strides=(2, 2, 2, 2), num_res_units=2),
    loss_mask=dict(type='DiceFocalLoss'),
    test_cfg=dict(mask_thr_binary=0.5))
