"""LMSF-A-n on dental X-rays: 32 numbered teeth, the paper's recipe."""
_base_ = [
    '../_base_/models/lmsfa_n.py', '../_base_/datasets/teeth_instance.py',
    '../_base_/schedules/sgd_300e.py', '../_base_/default_runtime.py'
]
model = dict(mask_head=dict(num_classes=32))
