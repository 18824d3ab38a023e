"""HRMedSeg, width 96, on lung fields in CT slices at 1024x1024: a check on real scans."""
_base_ = [
    '../_base_/models/hrmedseg_lgvit-96.py', '../_base_/datasets/lungs_semantic.py',
    '../_base_/schedules/adamw_semantic_30e.py', '../_base_/semantic_runtime.py'
]
custom_imports = dict(
    imports=[*_base_.custom_imports.imports, 'projects.hrmedseg.datasets.lung_fields'],
    allow_failed_imports=False)
model = dict(decode_head=dict(num_classes=1))
