"""The whole training path on two images: it must learn them."""
from mmengine.config import Config
from mmengine.runner import Runner
from tiny_coco import make_tiny_coco


def test_two_images_are_learnt(tmp_path):
    root = f'{make_tiny_coco(tmp_path / "data")}/'
    config = Config.fromfile('configs/lmsfa/lmsfa-n_1xb8-300e_peld.py')
    size = (128, 128)
    load = config.load_pipeline
    load[3].scale = config.test_pipeline[1].scale = size
    pack = config.train_pipeline[-1]
    config.merge_from_dict({
        'work_dir': str(tmp_path / 'work'), 'log_level': 'WARNING',
        'train_dataloader.batch_size': 2, 'train_dataloader.num_workers': 0,
        'train_dataloader.dataset.pipeline': [pack],
        'train_dataloader.dataset.dataset.pipeline': load,
        # Each epoch goes through the two images forty times.
        'train_dataloader.dataset.dataset.indices': [0, 1] * 40,
        'train_dataloader.dataset.dataset.data_root': root,
        'val_dataloader.dataset.data_root': root, 'val_dataloader.num_workers': 0,
        'val_dataloader.persistent_workers': False,
        'val_dataloader.dataset.pipeline': config.test_pipeline,
        'val_evaluator.ann_file': root + 'annotations/instances_val.json',
        'train_cfg': dict(_delete_=True, type='EpochBasedTrainLoop', max_epochs=4,
                          val_interval=4),
        'optim_wrapper': dict(_delete_=True, type='OptimWrapper',
                              optimizer=dict(type='AdamW', lr=3e-3),
                              clip_grad=dict(max_norm=10.)),
        'param_scheduler': [dict(type='CosineAnnealingLR', T_max=4, convert_to_iter_based=True)],
        'custom_hooks': [],
        'default_hooks.checkpoint': dict(_delete_=True, type='CheckpointHook', interval=4),
        'test_dataloader': None, 'test_evaluator': None, 'test_cfg': None})
    runner = Runner.from_cfg(config)
    runner.train()
    losses = [value for value, _ in _history(runner, 'train/loss')]
    assert losses[-1] < 0.3 * losses[0]
    assert runner.message_hub.get_scalar('val/coco/segm_mAP_50').current() >= 0.9


def _history(runner, key):
    data, counts = runner.message_hub.get_scalar(key).data
    return list(zip(data, counts, strict=True))
