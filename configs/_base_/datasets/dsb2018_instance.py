"""DSB2018 nuclei (BBBC038v1), one class, up to 250 objects an image, at 256x256."""
_base_ = './peld_instance.py'
dataset_type = 'NucleiDataset'
data_root = 'data/dsb2018/'
img_scale = (256, 256)

_base_.load_pipeline[3].scale = img_scale
_base_.train_pipeline[0].img_scale = img_scale
_base_.train_pipeline[1].img_scale = img_scale
_base_.test_pipeline[1].scale = img_scale
train_dataloader = dict(
    dataset=dict(
        dataset=dict(type=dataset_type, data_root=data_root, data_prefix=dict(img='train/'),
                     pipeline=_base_.load_pipeline),
        pipeline=_base_.train_pipeline))
val_dataloader = dict(
    dataset=dict(type=dataset_type, data_root=data_root, data_prefix=dict(img='val/'),
                 pipeline=_base_.test_pipeline))
test_dataloader = dict(
    dataset=dict(type=dataset_type, data_root=data_root, data_prefix=dict(img='val/'),
                 ann_file='annotations/instances_val.json', pipeline=_base_.test_pipeline))

# Every figure at 300 detections per image: COCO's 100 would cut images with more nuclei.
val_evaluator = dict(ann_file=data_root + 'annotations/instances_val.json', max_dets=300)
test_evaluator = dict(ann_file=data_root + 'annotations/instances_val.json', max_dets=300)
