"""mmdet's Mask R-CNN with this project's ConvNeXt V2-T, from scratch."""
_base_ = './mask_rcnn_r50_fpn.py'
model = dict(
    backbone=dict(_delete_=True, type='ConvNeXtV2', depths=(3, 3, 9, 3),
                  channels=(96, 192, 384, 768), drop_path_rate=0.2),
    neck=dict(in_channels=[96, 192, 384, 768]))
