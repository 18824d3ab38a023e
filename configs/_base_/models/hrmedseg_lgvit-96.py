"""HRMedSeg at width 96, the paper's: one mask token and one hypernetwork a class."""
dim = 96
model = dict(
    type='HRMedSeg',
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_mask=True,
        pad_size_divisor=16),
    backbone=dict(type='LGViT', dim=dim),
    neck=dict(type='EmbeddingNeck', in_channels=dim, out_channels=256),
    prompt_encoder=dict(type='PromptEncoder', dim=256),
    decode_head=dict(type='ECMDecoder', num_classes=4, in_channels=256),
    loss_mask=dict(type='DiceFocalLoss'),
    test_cfg=dict(mask_thr_binary=0.5))
