"""What every run on volumes shares."""
default_scope = 'mmdet'
custom_imports = dict(
    imports=['projects.lightmedseg', 'projects.lightmedseg.training', 'medseg.engine'],
    allow_failed_imports=False)

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=10),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CarefulCheckpointHook', interval=1, max_keep_ckpts=2,
                    save_best='volume/dice', rule='greater'),
    sampler_seed=dict(type='DistSamplerSeedHook'))

env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'))
randomness = dict(seed=0)

vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='Visualizer', vis_backends=vis_backends, name='visualizer')
log_processor = dict(type='LogProcessor', window_size=50, by_epoch=True)
log_level = 'INFO'
load_from = None
resume = False

# Printed at the end of a training.
next_steps = (
    'python tools/test.py {config} {checkpoint}',
    'python tools/infer_volume.py {config} {checkpoint} VOLUMES out --page --pictures',
    'python tools/export_volume.py {config} {checkpoint} {export}/model.onnx',
)
