"""LightMedSeg-A on SynBrain's lesions."""
_base_ = [
    '../_base_/models/lightmedseg_a.py', '../_base_/datasets/synbrain_lesion.py',
    '../_base_/schedules/volume_adamw_60e.py', '../_base_/volume_runtime.py'
]
