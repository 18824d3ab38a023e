"""Which data a config reads: its folder, or another data set altogether."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmdet.registry import DATASETS
from mmengine.config import Config, ConfigDict
from mmengine.utils import import_modules_from_strings

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
_EVALUATORS = ('val_evaluator', 'test_evaluator')
#: What names the data in a data set's config; the rest, pipelines above all, belongs to the model.
_DATA_KEYS = ('type', 'data_root', 'ann_file', 'data_prefix', 'metainfo', 'filter_cfg')


def _walk(dataset: ConfigDict) -> Iterator[ConfigDict]:
    yield dataset
    inner = dataset.get('datasets', dataset.get('dataset'))
    for item in inner if isinstance(inner, (list, tuple)) else [inner] if inner else []:
        yield from _walk(item)


def datasets(config: Config, loaders: tuple[str, ...] = LOADERS
             ) -> Iterator[tuple[bool, ConfigDict]]:
    """Every data set of the loaders, wrappers such as ``MultiImageMixDataset`` included.

    Yields:
        tuple[bool, ConfigDict]: Whether it reads files itself (no wrapper), and its config.
    """
    for name in loaders:
        if config.get(name):
            for dataset in _walk(config[name].dataset):
                yield not ('dataset' in dataset or 'datasets' in dataset), dataset


def classes(config: Config) -> tuple[str, ...]:
    """Class names of the config's test data.

    Raises:
        ValueError: Its data set does not name them.
    """
    if config.get('custom_imports'):
        import_modules_from_strings(**config.custom_imports)
    leaf = next(d for is_leaf, d in datasets(config, ('test_dataloader',)) if is_leaf)
    names = (leaf.get('metainfo') or {}).get('classes')
    if names is None:
        kind = DATASETS.get(leaf['type'])
        names = getattr(kind, 'METAINFO', {}).get('classes')
    if not names:
        raise ValueError(f'{config.filename}: data set {leaf["type"]} names no classes')
    return (names,) if isinstance(names, str) else tuple(names)


def evaluators(config: Config) -> Iterator[tuple[str, ConfigDict]]:
    """Metrics of validation and test, with the name of their loader."""
    for name in _EVALUATORS:
        metrics = config.get(name)
        for metric in metrics if isinstance(metrics, (list, tuple)) else [metrics]:
            if metric:
                yield name.replace('evaluator', 'dataloader'), metric


def set_data_root(config: Config, root: str | Path) -> None:
    """Read the same files below another folder, in place; annotation files follow."""
    root = Path(root)
    for is_leaf, dataset in datasets(config):
        if is_leaf:
            dataset.data_root = f'{root}/'
    for loader, metric in evaluators(config):
        if metric.get('ann_file'):
            leaf = next(d for is_leaf, d in datasets(config, (loader,)) if is_leaf)
            metric.ann_file = str(root / leaf['ann_file'])
    if 'data_root' in config:
        config.data_root = f'{root}/'


def _replace_class_count(node: Any, old: int, new: int) -> None:
    """Set the number of classes wherever a model's config says it."""
    if isinstance(node, (list, tuple)):
        for item in node:
            _replace_class_count(item, old, new)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ('num_classes', 'num_things_classes') and value == old:
                node[key] = new
            elif key == 'class_weight' and isinstance(value, list) and len(value) == old + 1:
                node[key] = [value[0]] * new + value[-1:]  # the last is "no object"
            else:
                _replace_class_count(value, old, new)


def _replace_key(node: Any, key: str, least: int) -> None:
    if isinstance(node, dict):
        if isinstance(node.get(key), int):
            node[key] = max(node[key], least)
        for value in node.values():
            _replace_key(value, key, least)
    elif isinstance(node, (list, tuple)):
        for item in node:
            _replace_key(item, key, least)


def swap_data(config: Config, other: Config) -> None:
    """Train and test a model on another data set, in place.

    The pipelines stay the model's; files, classes and metric become the other's. The number of
    classes is set in the model, and where the metric counts more detections an image than the
    model gives (``max_per_img``), the model gives that many.

    Args:
        config (Config): The model's config.
        other (Config): A data config, such as ``configs/_base_/datasets/dsb2018_instance.py``.

    Raises:
        ValueError: ``other`` is no data config.
    """
    missing = [name for name in (*LOADERS, *_EVALUATORS) if not other.get(name)]
    if missing:
        raise ValueError(f'{other.filename}: no data config, it has no {missing[0]}')
    old = len(classes(config))
    for name in LOADERS:
        source = next(d for is_leaf, d in datasets(other, (name,)) if is_leaf)
        for is_leaf, dataset in datasets(config, (name,)):
            if is_leaf:
                for key in _DATA_KEYS:
                    dataset.pop(key, None)
                dataset.update({key: source[key] for key in _DATA_KEYS if key in source})
    for name in _EVALUATORS:
        config[name] = other[name]
    config.data_root = other.get('data_root')
    if config.get('custom_imports') is None and other.get('custom_imports'):
        config.custom_imports = other.custom_imports
    _replace_class_count(config.model, old, len(classes(config)))
    max_dets = [metric.get('max_dets', 100) for _, metric in evaluators(config)]
    if config.model.get('test_cfg'):
        _replace_key(config.model.test_cfg, 'max_per_img', max(max_dets))
