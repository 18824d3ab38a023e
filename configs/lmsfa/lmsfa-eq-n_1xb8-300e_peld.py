"""LMSF-A-n, equation wiring, with the paper's recipe."""
_base_ = [
    '../_base_/models/lmsfa_eq_n.py', '../_base_/datasets/peld_instance.py',
    '../_base_/schedules/sgd_300e.py', '../_base_/default_runtime.py'
]
