"""What every run of a semantic model shares."""
_base_ = './default_runtime.py'
custom_imports = dict(
    imports=[
        'projects.hrmedseg.models', 'projects.baselines', 'projects.lmsfa.datasets.peld',
        'medseg.data.transforms', 'medseg.engine', 'medseg.metrics'
    ],
    allow_failed_imports=False)
default_hooks = dict(checkpoint=dict(save_best='semantic/dice'))
