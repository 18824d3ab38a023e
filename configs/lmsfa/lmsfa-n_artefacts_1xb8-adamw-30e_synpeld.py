"""LMSF-A-n on SynPELD with endoscopic artefacts as augmentation; smoke and glare kept for tests."""
_base_ = './lmsfa-n_1xb8-adamw-30e_synpeld.py'
custom_imports = dict(imports=[*_base_.custom_imports.imports,
                               'projects.lmsfa.datasets.synpeld.corruptions'])
artefacts = dict(type='RandomCorruption', names=['endoscopy'], prob=0.5, max_severity=3,
                 leave_out=['smoke', 'glare'])
load, *rest = _base_.train_dataloader.dataset.dataset.pipeline
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=[load, artefacts, *rest])))
