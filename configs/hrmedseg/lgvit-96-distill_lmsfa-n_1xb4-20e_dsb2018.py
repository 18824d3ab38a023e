"""LGViT-96 learns the stride-16 map of our LMSF-A-n, trained on the same images.

Train the teacher first: configs/lmsfa/lmsfa-n_1xb8-adamw-30e_dsb2018.py.
"""
_base_ = [
    '../_base_/models/lgvit-96_distill_lmsfa-n.py', '../_base_/datasets/dsb2018_semantic.py',
    '../_base_/semantic_runtime.py', '../_base_/schedules/adam_distill_20e.py'
]
custom_imports = dict(
    imports=[*_base_.custom_imports.imports, 'projects.lmsfa.models'], allow_failed_imports=False)
model = dict(
    teacher=dict(mask_head=dict(num_classes=1)),
    teacher_checkpoint='work_dirs/lmsfa-n_1xb8-adamw-30e_dsb2018/epoch_30.pth')
default_hooks = dict(checkpoint=dict(save_best='distillation/mse', rule='less'))
val_evaluator = dict(_delete_=True, type='FeatureErrorMetric')
test_evaluator = dict(_delete_=True, type='FeatureErrorMetric')
