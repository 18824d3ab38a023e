"""SOLOv2 R50-FPN on DSB2018: 256x256, 30 epochs of AdamW from scratch."""
_base_ = [
    '../_base_/models/solov2_r50.py', '../_base_/datasets/dsb2018_instance.py',
    '../_base_/schedules/adamw_30e.py', '../_base_/default_runtime.py'
]
model = dict(
    # The objects' sizes of each level, scaled from 800 to 256 pixels.
    mask_head=dict(
        num_classes=1, scale_ranges=((1, 32), (16, 64), (32, 128), (64, 256), (128, 512))),
    test_cfg=dict(max_per_img=300))
optim_wrapper = dict(optimizer=dict(lr=2e-4))
