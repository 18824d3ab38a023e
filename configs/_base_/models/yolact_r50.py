"""mmdet's YOLACT, ResNet-50, from scratch, with anchors for inputs whose sides 32 divides.

mmdet's own are laid out for 550 x 550, where strides are no powers of two.
"""
_base_ = []  # with it mmengine takes the import below as plain Python
from mmengine.hub import get_config  # noqa: E402

strides = [8, 16, 32, 64, 128]
model = get_config('mmdet::yolact/yolact_r50_1xb8-55e_coco.py').model
model.data_preprocessor.pad_size_divisor = 32
model.backbone.pop('init_cfg')
model.bbox_head.num_classes = 4
model.bbox_head.anchor_generator.update(
    strides=strides, centers=[(stride / 2, stride / 2) for stride in strides])
model.mask_head.num_classes = 4
model.test_cfg.score_thr = 0.001  # as for every model here: AP needs the weak ones too
