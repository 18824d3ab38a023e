"""Every config of volumes builds, takes any volume and has the size that its name promises."""
from pathlib import Path

import pytest
import torch
from mmdet.registry import DATASETS, HOOKS, METRICS, MODELS, TRANSFORMS
from mmengine.config import Config

import projects.lightmedseg.training  # noqa: F401

CONFIGS = sorted(Path('configs/lightmedseg').rglob('*.py'))
#: Parameters by name of the config, without its schedule and data.
SIZES = {
    'lightmedseg-a': 480_084, 'lightmedseg-b': 482_567, 'unet': 4_811_129,
    'unet-0.5m': 497_116, 'segresnet': 4_702_244, 'segresnet-0.5m': 443_220,
    'dynunet': 5_647_492, 'dynunet-0.5m': 463_932,
}


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_config_builds_and_predicts(path):
    config = Config.fromfile(path)
    for hook in [*config.default_hooks.values(), *config.custom_hooks]:
        assert HOOKS.get(hook.type) is not None
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        assert DATASETS.get(loader.dataset.type) is not None
        for transform in (*loader.dataset.load_pipeline, *loader.dataset.pipeline):
            TRANSFORMS.build(transform)
    METRICS.build(config.val_evaluator)
    model = MODELS.build(config.model)
    expected = SIZES.get(path.stem.split('_')[0]) if path.parent.name != 'ablation' else None
    found = sum(p.numel() for p in model.parameters())
    assert expected is None or found == expected
    model.eval().test_cfg['roi_size'] = (32, 32, 32)
    with torch.no_grad():
        sample, = model(torch.randn(1, 4, 20, 16, 16), mode='predict')
    assert sample.pred_label.shape == (20, 16, 16) and sample.pred_label.max() < 4


def test_no_config_is_left_out():
    assert {path.stem.split('_')[0] for path in CONFIGS} == set(SIZES)
