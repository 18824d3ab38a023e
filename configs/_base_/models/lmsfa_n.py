"""LMSF-A, size n, release wiring: C2f-Pro backbone, SSFF + TFE neck, LMSH."""
model = dict(
    type='SingleStageInstanceSegmentor',
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        mean=[0., 0., 0.],
        std=[255., 255., 255.],
        bgr_to_rgb=True,
        pad_mask=True,
        pad_size_divisor=32,
        # YOLO's grey border; the preprocessor pads after the division by 255.
        pad_value=114 / 255),
    backbone=dict(
        type='LMFE',
        deepen_factor=0.33,
        widen_factor=0.25,
        block=dict(type='C2fPro'),
        out_indices=(0, 1, 2, 3, 4)),
    neck=dict(
        type='SSFFTFENeck',
        in_channels=(32, 64, 128, 256, 256),
        deepen_factor=0.33,
        block=dict(type='C2fPro')),
    mask_head=dict(type='LMSHead', num_classes=4, in_channels=(64, 128, 256)),
    train_cfg=dict(assigner=dict(type='TaskAlignedAssigner', topk=10), alpha=0.5, beta=6.0),
    test_cfg=dict(
        score_thr=0.001,
        nms_pre=3000,
        nms=dict(type='nms', iou_threshold=0.7),
        max_per_img=100,
        mask_thr_binary=0.5))
