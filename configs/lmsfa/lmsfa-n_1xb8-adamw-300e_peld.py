"""LMSF-A-n with the project's stronger recipe: AdamW, lr 1e-3, batch 8, 640x640, 300 epochs."""
_base_ = [
    '../_base_/models/lmsfa_n.py', '../_base_/datasets/peld_instance.py',
    '../_base_/schedules/adamw_300e.py', '../_base_/default_runtime.py'
]
