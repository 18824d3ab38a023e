"""mmdet's RTMDet-Ins-s, from scratch: no weights are downloaded.

BatchNorms are not synchronised; on several GPUs add `sync_bn = 'torch'` to the config.
"""
_base_ = []  # with it mmengine takes the import below as plain Python
from mmengine.hub import get_config  # noqa: E402

norm_cfg = dict(type='BN')
model = get_config(
    'mmdet::rtmdet/rtmdet-ins_s_8xb32-300e_coco.py').model
# Its own pipelines pad every image themselves; the shared ones leave that to the preprocessor.
model.data_preprocessor.update(pad_mask=True, pad_size_divisor=32)
model.backbone.pop('init_cfg')
model.backbone.norm_cfg = norm_cfg
model.neck.norm_cfg = norm_cfg
model.bbox_head.update(num_classes=4, norm_cfg=norm_cfg)
model.test_cfg.score_thr = 0.001  # as for every model here: AP needs the weak ones too
