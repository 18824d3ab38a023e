"""Every config under another size, budget and data set."""
from pathlib import Path

import pytest
from mmdet.registry import TRANSFORMS
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from tiny_coco import make_tiny_coco

from medseg.configs import LOADERS, classes, datasets, evaluators, pipelines
from medseg.engine.adapt_config import adapt_config, apply_recipe, reference_size, set_size
from medseg.engine.building import build_model

# Volumes have crops and windows, no input size.
CONFIGS = sorted(str(p) for p in Path('configs').rglob('*.py')
                 if not {'_base_', 'deploy', 'lightmedseg'} & set(p.parts))
LMSFA = 'configs/lmsfa/lmsfa-n_1xb8-300e_peld.py'
DSB = 'configs/_base_/datasets/dsb2018_instance.py'


def sizes(config):
    """Every size that the config's transforms name."""
    found = set()
    for steps in pipelines(config):
        for step in steps:
            for key in ('scale', 'img_scale', 'size', 'crop_size'):
                if key in step:
                    found.add(step[key])
    return found


@pytest.mark.parametrize('path', CONFIGS)
def test_every_config_builds_at_another_size(path, tmp_path):
    original = Config.fromfile(path)
    before = sizes(original)
    config = adapt_config(original, size=224, epochs=7, seed=3, num_workers=0,
                            data_root=tmp_path)
    assert reference_size(config) == 224
    assert (224, 224) in sizes(config)
    for steps in pipelines(config):
        for step in steps:
            TRANSFORMS.build(step)
    assert config.train_cfg.max_epochs == 7
    assert config.randomness.seed == 3
    assert not any(config[name].persistent_workers for name in LOADERS)
    # A schedule without an end goes on for ever, whatever the length.
    ends = [s.end for s in config.param_scheduler if 'end' in s]
    assert not ends or max(ends) == pytest.approx(7)
    assert sizes(original) == before  # the config itself is not touched


def test_nested_sizes():
    config = Config(dict(
        model=dict(data_preprocessor=dict(batch_augments=[
            dict(type='BatchFixedSizePad', size=(640, 640))])),
        train_dataloader=dict(dataset=dict(type='A', pipeline=[
            dict(type='CachedMosaic', img_scale=(640, 640)),
            dict(type='RandomResize', scale=(1280, 960), ratio_range=(0.5, 2.0)),
            dict(type='RandomCrop', crop_size=(0.3, 0.7), crop_type='relative_range'),
            dict(type='RandomAffine', border=(-320, -320)),
            dict(type='RandomChoice', transforms=[[
                dict(type='RandomChoiceResize', scales=[(640, 512), (640, 640)])]]),
            dict(type='Pad', size_divisor=32)])),
        test_dataloader=dict(dataset=dict(type='A', pipeline=[
            dict(type='Resize', scale=(640, 640))]))))
    set_size(config, 320)
    steps = config.train_dataloader.dataset.pipeline
    assert steps[0].img_scale == (320, 320)
    assert steps[1].scale == (640, 640) and steps[1].ratio_range == (0.5, 2.0)
    assert steps[2].crop_size == (0.3, 0.7)
    assert steps[3].border == (-160, -160)
    assert steps[4].transforms[0][0].scales == [(320, 320), (320, 320)]
    assert steps[5] == dict(type='Pad', size_divisor=32)
    assert config.model.data_preprocessor.batch_augments[0]['size'] == (320, 320)
    with pytest.raises(ValueError, match='no transform of the test pipeline has a size'):
        set_size(Config(dict(test_dataloader=dict(dataset=dict(type='A', pipeline=[])))), 320)


def test_schedule_keeps_its_shape():
    config = adapt_config(Config.fromfile(LMSFA), epochs=30)
    warm, decay = config.param_scheduler
    assert (warm.begin, warm.end) == (0, 3)  # as sgd_30e.py has it
    assert (decay.begin, decay.end) == (3, 30)
    assert [h.num_last_epochs for h in config.custom_hooks if 'num_last_epochs' in h] == [10]
    short = adapt_config(Config.fromfile(LMSFA), epochs=10)
    assert short.param_scheduler[0].end == 1  # a tenth
    assert [h.num_last_epochs for h in short.custom_hooks if 'num_last_epochs' in h] == [4]
    assert short.default_hooks.checkpoint.max_keep_ckpts == 2


def test_recipe_keeps_what_belongs_to_the_model():
    config = Config.fromfile('configs/rtmdet/rtmdet-ins_tiny_1xb8-300e_peld.py')
    apply_recipe(config, Config.fromfile('configs/_base_/schedules/adamw_30e.py'))
    assert config.optim_wrapper.paramwise_cfg.bypass_duplicate  # its levels share convolutions
    build_optim_wrapper(build_model(config), config.optim_wrapper)
    other = Config.fromfile(LMSFA)
    apply_recipe(other, Config.fromfile('configs/_base_/schedules/adamw_30e.py'))
    assert 'bypass_duplicate' not in other.optim_wrapper.paramwise_cfg


def test_other_schedules():
    config = Config(dict(
        train_cfg=dict(max_epochs=100),
        train_dataloader=dict(dataset=dict(type='A', data_root='nowhere', ann_file='none.json')),
        param_scheduler=[
            dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=500),
            dict(type='MultiStepLR', begin=0, end=100, milestones=[50, 80]),
            dict(type='CosineAnnealingLR', begin=50, T_max=50, end=100)]))
    config = adapt_config(config, epochs=20)
    warm, steps, cosine = config.param_scheduler
    assert warm.by_epoch and warm.convert_to_iter_based and warm.end == 2
    assert steps.milestones == [10, 16] and 'convert_to_iter_based' not in steps
    assert (cosine.begin, cosine.T_max, cosine.end) == (10, 10, 20)
    assert config.train_cfg == dict(type='EpochBasedTrainLoop', max_epochs=20, val_interval=6)
    config.train_cfg = dict(type='IterBasedTrainLoop', max_iters=1000)
    with pytest.raises(ValueError, match='train_cfg has no max_epochs to change'):
        adapt_config(config, epochs=20)


def test_no_validation():
    config = adapt_config(Config.fromfile(LMSFA), epochs=2, val_interval=0)
    assert config.val_cfg is None and config.val_dataloader is None
    assert config.val_evaluator is None


def test_recipe_for_all():
    recipe = 'configs/_base_/schedules/adamw_30e.py'
    config = adapt_config(Config.fromfile(LMSFA), epochs=15, recipe=recipe)
    assert config.optim_wrapper.optimizer.type == 'AdamW'
    assert config.optim_wrapper.optimizer.lr == 2e-3
    assert config.param_scheduler[0].end == 1.5
    assert config.custom_hooks[3].gamma == 300
    with pytest.raises(ValueError, match='no schedule config'):
        adapt_config(Config.fromfile(LMSFA), recipe=DSB)


def test_other_data(tmp_path):
    config = adapt_config(Config.fromfile(LMSFA), data=DSB, data_root=tmp_path)
    assert classes(config) == ('nucleus',)
    assert config.model.mask_head.num_classes == 1
    assert config.model.test_cfg.max_per_img == 300
    leaves = list(datasets(config))
    assert {d.data_root for d in leaves} == {f'{tmp_path}/'}
    assert {d.data_prefix.img for d in leaves} == {'train/', 'val/'}
    assert {m.ann_file for _, m in evaluators(config)} == {
        str(tmp_path / 'annotations/instances_val.json')}
    # the model's own pipelines stay
    assert config.train_dataloader.dataset.pipeline[0].img_scale == (640, 640)


def test_too_short_warm_up_is_left_out(tmp_path):
    root = make_tiny_coco(tmp_path / 'data', num_images=4, size=64)
    config = adapt_config(Config.fromfile(LMSFA), data_root=root, epochs=2, batch_size=2)
    assert [s.type for s in config.param_scheduler] == ['LinearLR']
    assert config.param_scheduler[0].end == 2
    assert config.default_hooks.logger.interval == 2
