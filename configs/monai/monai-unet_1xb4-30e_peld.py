"""MONAI's UNet on PELD: class areas at 512x512, 30 epochs from scratch."""
_base_ = [
    '../_base_/models/monai_unet.py', '../_base_/datasets/peld_semantic.py',
    '../_base_/schedules/adamw_semantic_30e.py', '../_base_/semantic_runtime.py'
]
