"""HRMedSeg with the multi-scale pooling of the paper's figure, on PELD."""
_base_ = [
    '../_base_/models/hrmedseg_lgvit-96.py', '../_base_/datasets/peld_semantic.py',
    '../_base_/schedules/adamw_semantic_30e.py', '../_base_/semantic_runtime.py'
]
model = dict(decode_head=dict(windows=(5, 9, 13)))
