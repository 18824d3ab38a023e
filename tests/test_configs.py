"""Every config in configs/ parses and builds."""
from pathlib import Path

import pytest
from mmdet.registry import DATASETS, HOOKS, METRICS, MODELS, TRANSFORMS
from mmengine.config import Config
from mmengine.utils import import_modules_from_strings

# Configs of volumes take their classes from the data: tests/test_lightmedseg.
CONFIGS = sorted(str(p) for p in Path('configs').rglob('*.py')
                 if not {'_base_', 'deploy', 'lightmedseg'} & set(p.parts))


def class_counts(part):
    """Every number of classes that a model's config names."""
    if isinstance(part, (list, tuple)):
        for item in part:
            yield from class_counts(item)
    elif isinstance(part, dict):
        yield from (part[key] for key in ('num_classes', 'num_things_classes') if key in part)
        for item in part.values():
            yield from class_counts(item)


@pytest.mark.parametrize('path', CONFIGS)
def test_builds(path):
    config = Config.fromfile(path)
    import_modules_from_strings(**config.custom_imports)
    model = MODELS.build(config.model)
    assert sum(p.numel() for p in model.parameters()) > 0
    for hook in [*config.default_hooks.values(), *config.get('custom_hooks', [])]:
        assert HOOKS.get(hook.type) is not None
    for name in ('train', 'val', 'test'):
        dataset = config[f'{name}_dataloader'].dataset
        while 'dataset' in dataset:
            for transform in dataset.pipeline:
                TRANSFORMS.build(transform)
            dataset = dataset.dataset
        assert DATASETS.get(dataset.type) is not None
        for transform in dataset.pipeline:
            TRANSFORMS.build(transform)
    num_classes = len(DATASETS.get(dataset.type).METAINFO['classes'])
    found = list(class_counts(config.model))
    # A distiller learns features and knows no classes; its teacher may.
    assert found or config.model.type == 'FeatureDistiller'
    assert set(found) <= {num_classes}
    assert METRICS.get(config.val_evaluator.type) is not None


def test_there_are_configs():
    assert len(CONFIGS) >= 40
