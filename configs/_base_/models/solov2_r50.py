"""mmdet's SOLOv2, ResNet-50-FPN, from scratch: no weights are downloaded.

Its head gives masks alone; `BoxedSOLOV2Head` adds the boxes around them.
"""
_base_ = []  # with it mmengine takes the import below as plain Python
from mmengine.hub import get_config  # noqa: E402

model = get_config('mmdet::solov2/solov2_r50_fpn_1x_coco.py').model
model.backbone.pop('init_cfg')
model.backbone.update(frozen_stages=-1, norm_eval=False)
model.mask_head.update(type='BoxedSOLOV2Head', num_classes=4)
