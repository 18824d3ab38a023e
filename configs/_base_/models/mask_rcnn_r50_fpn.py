"""mmdet's Mask R-CNN, ResNet-50-FPN, from scratch: no weights are downloaded.

Without pretrained weights the stem must not be frozen and the BatchNorms must learn their
statistics, or the network would keep its random ones. docs/models.md tells how to start from
pretrained weights.
"""
_base_ = []  # with it mmengine takes the import below as plain Python
from mmengine.hub import get_config  # noqa: E402

model = get_config('mmdet::_base_/models/mask-rcnn_r50_fpn.py').model
model.backbone.pop('init_cfg')
model.backbone.update(frozen_stages=-1, norm_eval=False)
model.roi_head.bbox_head.num_classes = 4
model.roi_head.mask_head.num_classes = 4
model.test_cfg.rcnn.score_thr = 0.001  # as for every model here: AP needs the weak ones too
