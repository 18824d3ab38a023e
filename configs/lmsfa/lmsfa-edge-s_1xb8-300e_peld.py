"""LMSF-A edge, size s: 300 epochs of AdamW at 640x640; see docs/speed.md."""
_base_ = [
    '../_base_/models/lmsfa_edge_s.py', '../_base_/datasets/peld_instance.py',
    '../_base_/schedules/adamw_300e.py', '../_base_/default_runtime.py'
]
