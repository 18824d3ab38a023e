"""MONAI's DynUNet cut to 0.46 M parameters, on SynBrain's tissues."""
_base_ = [
    '../../_base_/models/volume_dynunet_05m.py', '../../_base_/datasets/synbrain_tissue.py',
    '../../_base_/schedules/volume_adamw_60e.py', '../../_base_/volume_runtime.py'
]
