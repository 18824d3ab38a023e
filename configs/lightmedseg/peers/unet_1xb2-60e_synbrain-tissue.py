"""MONAI's UNet, 4.8 M parameters, on SynBrain's tissues."""
_base_ = [
    '../../_base_/models/volume_unet.py', '../../_base_/datasets/synbrain_tissue.py',
    '../../_base_/schedules/volume_adamw_60e.py', '../../_base_/volume_runtime.py'
]
