"""mmdet's Mask R-CNN with Swin-T, from scratch: no weights are downloaded."""
_base_ = './mask_rcnn_r50_fpn.py'
from mmengine.hub import get_config  # noqa: E402

model = get_config('mmdet::swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py').model
model = dict(
    backbone=dict(_delete_=True, **{k: v for k, v in model.backbone.items() if k != 'init_cfg'}),
    neck=dict(in_channels=model.neck.in_channels))
