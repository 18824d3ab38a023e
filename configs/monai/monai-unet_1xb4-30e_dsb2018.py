"""MONAI's UNet on DSB2018: nuclei by area at 512x512, 30 epochs from scratch."""
_base_ = [
    '../_base_/models/monai_unet.py', '../_base_/datasets/dsb2018_semantic.py',
    '../_base_/schedules/adamw_semantic_30e.py', '../_base_/semantic_runtime.py'
]
model = dict(num_classes=1)
