"""mmdet's Mask2Former for instances, ResNet-50, from scratch: no weights are downloaded.

Images are padded to a multiple of 32 and no longer to 1024 x 1024, and the BatchNorms learn.
"""
_base_ = []  # with it mmengine takes the import below as plain Python
from mmengine.hub import get_config  # noqa: E402

model = get_config('mmdet::mask2former/mask2former_r50_8xb2-lsj-50e_coco.py').model
model.data_preprocessor.pop('batch_augments')
model.backbone.pop('init_cfg')
model.backbone.update(norm_cfg=dict(type='BN', requires_grad=True), norm_eval=False)
model.panoptic_head.num_things_classes = 4
model.panoptic_head.loss_cls.class_weight = [1.0] * 4 + [0.1]  # the last is "no object"
model.panoptic_fusion_head.num_things_classes = 4
