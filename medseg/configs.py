"""What a config of mmdet's form says: its data sets, pipelines, metrics and classes."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmdet.evaluation import CocoMetric
from mmdet.registry import DATASETS, METRICS
from mmengine.config import Config, ConfigDict
from mmengine.utils import import_modules_from_strings

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
#: Transforms that want annotations, which an image to predict on lacks.
_ANNOTATION_TRANSFORMS = ('LoadAnnotations', 'LoadPolygonAnnotations', 'LoadPanopticAnnotations',
                          'DropKeys')
EVALUATORS = ('val_evaluator', 'test_evaluator')
#: Where a model's config says how many classes there are.
CLASS_KEYS = ('num_classes', 'num_things_classes')


def _inner(place: str, dataset: ConfigDict) -> list[tuple[str, ConfigDict]]:
    """What a wrapper such as ``ConcatDataset`` holds; nothing for a data set that reads files."""
    if isinstance(dataset.get('datasets'), (list, tuple)):
        return [(f'{place}.datasets.{i}', item) for i, item in enumerate(dataset['datasets'])]
    inner = dataset.get('dataset')
    return [(f'{place}.dataset', inner)] if isinstance(inner, dict) else []


def _walk(place: str, dataset: ConfigDict) -> Iterator[tuple[str, ConfigDict]]:
    yield place, dataset
    for inner in _inner(place, dataset):
        yield from _walk(*inner)


def places(config: Config, *loaders: str) -> Iterator[tuple[str, ConfigDict]]:
    """Every data set and its place, such as ``train_dataloader.dataset.datasets.0``.

    Args:
        config (Config): Any config of mmdet's form; loaders that it lacks are passed over.
        loaders (str): Of :data:`LOADERS`; default: all.
    """
    for name in loaders or LOADERS:
        if config.get(name):
            yield from _walk(f'{name}.dataset', config[name].dataset)


def datasets(config: Config, *loaders: str) -> Iterator[ConfigDict]:
    """Data sets that read files, inside wrappers such as ``MultiImageMixDataset`` too."""
    return (dataset for place, dataset in places(config, *loaders) if not _inner(place, dataset))


def pipelines(config: Config, *loaders: str) -> Iterator[list]:
    """Pipelines of the data sets and of their wrappers, in the order of :data:`LOADERS`."""
    return (dataset.get('pipeline') or [] for _, dataset in places(config, *loaders))


def test_dataset(config: Config) -> ConfigDict:
    """The (first) data set of the test loader."""
    return next(datasets(config, 'test_dataloader'))


def prediction_pipeline(config: Config) -> list[ConfigDict]:
    """The test pipeline without the transforms that want annotations."""
    return [step for step in test_dataset(config)['pipeline']
            if step['type'].split('.')[-1] not in _ANNOTATION_TRANSFORMS]


def evaluators(config: Config) -> Iterator[tuple[str, ConfigDict]]:
    """Metrics of validation and test, with the name of their loader."""
    for name in EVALUATORS:
        for metric in metrics(config, name):
            yield name.replace('evaluator', 'dataloader'), metric


def metrics(config: Config, evaluator: str) -> Iterator[ConfigDict]:
    """Metrics of one of :data:`EVALUATORS`."""
    metrics = config.get(evaluator)
    for metric in metrics if isinstance(metrics, (list, tuple)) else [metrics]:
        if metric:
            yield metric


def scores_instances(metric: ConfigDict) -> bool:
    """Whether a metric scores boxes or masks of instances."""
    kind = METRICS.get(metric['type'])
    return kind is not None and issubclass(kind, CocoMetric)


def holds_instances(config: Config) -> bool:
    """Whether a config validates instances in COCO format."""
    load_modules(config)
    found = list(metrics(config, EVALUATORS[0]))
    return bool(config.get('val_dataloader') and found) and all(map(scores_instances, found))


def load_modules(config: Config) -> None:
    """Import what a config's ``custom_imports`` names."""
    if config.get('custom_imports'):
        import_modules_from_strings(**config.custom_imports)


def classes(config: Config, loader: str = 'test_dataloader') -> tuple[str, ...]:
    """Class names of a loader's data.

    Raises:
        ValueError: Its data set does not name them.
    """
    load_modules(config)
    dataset = next(datasets(config, loader))
    names = (dataset.get('metainfo') or {}).get('classes')
    if names is None:
        names = getattr(DATASETS.get(dataset['type']), 'METAINFO', {}).get('classes')
    if not names:
        raise ValueError(f'{config.filename}: data set {dataset["type"]} names no classes')
    return (names,) if isinstance(names, str) else tuple(names)


def settings(node: Any, *keys: str, path: str = 'model') -> Iterator[tuple[str, ConfigDict, str]]:
    """Where a config has any of these keys: the full address, the dict, and the key."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in keys:
                yield f'{path}.{key}', node, key
            else:
                yield from settings(value, *keys, path=f'{path}.{key}')
    elif isinstance(node, (list, tuple)):
        for number, item in enumerate(node):
            yield from settings(item, *keys, path=f'{path}.{number}')
