"""One config for another input size, data set, length or seed; used by benchmarks and own data."""
from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from medseg.configs import (
    CLASS_KEYS,
    EVALUATORS,
    LOADERS,
    classes,
    datasets,
    evaluators,
    metrics,
    pipelines,
    scores_instances,
    settings,
)
from medseg.data.folds import fold_file
from medseg.io import read_json

#: What names the data in a data set's config; the rest, pipelines above all, belongs to the model.
_DATA_KEYS = ('type', 'data_root', 'ann_file', 'data_prefix', 'metainfo', 'filter_cfg')
#: What a schedule config replaces.
_RECIPE_KEYS = ('train_cfg', 'val_cfg', 'test_cfg', 'optim_wrapper', 'param_scheduler',
                'custom_hooks', 'auto_scale_lr')
#: The largest part of a training that its warm-up takes, and its end without mosaic.
_WARM_UP, _CLOSING = 0.1, 1 / 3
_LEAST_PIXELS = 16


def _is_size(value: Any) -> bool:
    """Whether a value is a width and a height in pixels; signs (of borders) do not matter."""
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(
        type(side) is int and abs(side) >= _LEAST_PIXELS for side in value)


def _first_size(value: Any) -> int | None:
    """Longest side of the first size inside nested transforms."""
    if _is_size(value):
        return max(value)
    inner = value.values() if isinstance(value, dict) else value
    if not isinstance(value, (dict, list, tuple)):
        return None
    return next((side for item in inner if (side := _first_size(item))), None)


def _scaled(value: Any, factor: float) -> Any:
    """Nested transforms with every size made square and multiplied."""
    if _is_size(value):
        return (round(max(value, key=abs) * factor),) * 2
    if isinstance(value, dict):
        return type(value)({key: _scaled(item, factor) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return type(value)(_scaled(item, factor) for item in value)
    return value


def _rescale(node: Any, factor: float) -> None:
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if isinstance(key, str) and (key.endswith('pipeline') or key == 'batch_augments'):
            node[key] = _scaled(value, factor)
        elif isinstance(value, (dict, list)):
            _rescale(value, factor)


def reference_size(config: Config) -> int:
    """Longest side, in pixels, that the config's test pipeline resizes images to.

    Raises:
        ValueError: Its test pipeline has no transform with a size.
    """
    size = next((side for steps in pipelines(config, 'test_dataloader')
                 if (side := _first_size(steps))), None)
    if size is None:
        raise ValueError(f'{config.filename}: no transform of the test pipeline has a size, so it '
                         'cannot be changed')
    return size


def set_size(config: Config, size: int) -> None:
    """Change the input size in every pipeline and batch augmentation, in place.

    Every pair of pixels is multiplied with ``size / reference_size`` and made square: with
    ``keep_ratio`` images are fitted into the square, as this project's own data configs do.

    Args:
        config (Config): Any config of mmdet's form.
        size (int): New side in pixels.

    Raises:
        ValueError: The test pipeline does not resize.
    """
    _rescale(config._cfg_dict, size / reference_size(config))
    if _is_size(config.get('img_scale')):
        config.img_scale = (size, size)


def set_batch(config: Config, batch: int, accumulate: int = 1, scale_lr: str = 'none') -> None:
    """Train with another batch size on the same number of images, in place.

    Epochs stay, so there are more or fewer steps. The window of an averaged model, which counts
    steps, is moved to hold the same number of images.

    Args:
        config (Config): Its ``auto_scale_lr.base_batch_size``, or else its own batch size, is what
            its learning rate was chosen for.
        batch (int): Images of each forward pass, and what BatchNorm sees.
        accumulate (int): Passes of each step of the optimiser.
        scale_lr (str): ``none``; ``linear``, the rate in proportion to the images of a step (for
            SGD, Goyal et al. 2017); ``sqrt``, to their square root (for Adam, Malladi et al. 2022).

    Raises:
        ValueError: The config has no learning rate to scale.
    """
    old = config.train_dataloader.batch_size
    base = (config.get('auto_scale_lr') or {}).get('base_batch_size', old)
    config.train_dataloader.batch_size = batch
    if accumulate > 1:
        config.optim_wrapper.accumulative_counts = accumulate
    if scale_lr != 'none':
        optimizer = config.optim_wrapper.get('optimizer') or {}
        if 'lr' not in optimizer:
            raise ValueError('optim_wrapper.optimizer has no lr to scale')
        factor = batch * accumulate / base
        optimizer['lr'] *= factor if scale_lr == 'linear' else math.sqrt(factor)
    for hook in config.get('custom_hooks') or []:
        if hook['type'].split('.')[-1] == 'EMAHook' and 'momentum' in hook:
            hook['momentum'] = min(hook['momentum'] * batch / old, 1.0)
            if 'gamma' in hook:
                hook['gamma'] = max(1, round(hook['gamma'] * old / batch))


def set_workers(config: Config, num_workers: int) -> None:
    """Loader processes of all loaders; those of validation and test are at most 2."""
    for name in LOADERS:
        loader = config.get(name)
        if loader:
            loader.num_workers = num_workers if name == LOADERS[0] else min(num_workers, 2)
            if not loader.num_workers:
                loader.persistent_workers = False
                loader.pop('prefetch_factor', None)


def set_data_root(config: Config, root: str | Path) -> None:
    """Read the same files below another folder, in place; annotation files follow."""
    root = Path(root)
    for dataset in datasets(config):
        dataset.data_root = f'{root}/'
    for loader, metric in evaluators(config):
        if metric.get('ann_file'):
            metric.ann_file = str(root / next(datasets(config, loader))['ann_file'])
    if 'data_root' in config:
        config.data_root = f'{root}/'


def set_fold(config: Config, fold: int) -> None:
    """Train, validate and test on a fold that ``tools/data/split.py --folds`` made, in place.

    Args:
        config (Config): Its data sets' folder holds the folds.
        fold (int): From 1.
    """
    for loader in LOADERS:
        for dataset in datasets(config, loader):
            dataset.ann_file = fold_file(loader.removesuffix('_dataloader'), fold)
            # the folds' names start from one folder, whatever folders the set had
            dataset.data_prefix = dict(dataset.get('data_prefix') or {}, img='images/')
    for loader, metric in evaluators(config):
        if metric.get('ann_file'):
            dataset = next(datasets(config, loader))
            metric.ann_file = str(Path(dataset.get('data_root') or '.') / dataset.ann_file)


def set_data(config: Config, other: Config) -> None:
    """Train and test a model on another data set, in place.

    The pipelines stay the model's; files, classes and metric become the other's. The number of
    classes is set in the model, and where the metric counts more detections per image than the
    model gives (``max_per_img``), the model gives that many.

    Args:
        config (Config): The model's config.
        other (Config): A data config, such as ``configs/_base_/datasets/dsb2018_instance.py`` or
            what :mod:`medseg.data.own` makes.

    Raises:
        ValueError: ``other`` is no data config.
    """
    missing = [name for name in (*LOADERS, *EVALUATORS) if not other.get(name)]
    if missing:
        raise ValueError(f'{other.filename}: no data config, it has no {missing[0]}')
    old = len(classes(config))
    for name in LOADERS:
        source = next(datasets(other, name))
        for dataset in datasets(config, name):
            for key in _DATA_KEYS:
                dataset.pop(key, None)
            dataset.update({key: source[key] for key in _DATA_KEYS if key in source})
    for name in EVALUATORS:
        # another kind of metric, such as one of semantic models, only changes its file
        if all(scores_instances(metric) for metric in metrics(config, name)):
            config[name] = other[name]
        else:
            for metric in metrics(config, name):
                metric.ann_file = next(metrics(other, name)).ann_file
    config.data_root = other.get('data_root')
    imports = (other.get('custom_imports') or {}).get('imports', [])
    if imports:
        before = (config.get('custom_imports') or {}).get('imports', [])
        config.custom_imports = dict(imports=list(dict.fromkeys([*before, *imports])),
                                     allow_failed_imports=False)
    set_class_count(config.model, old, len(classes(config)))
    most = max(metric.get('max_dets', 100) for _, metric in evaluators(config))
    for _, node, key in settings(config.model.get('test_cfg'), 'max_per_img', 'max_per_image'):
        node[key] = max(node[key], most)


def set_class_count(model: ConfigDict, old: int, new: int) -> None:
    """Set the number of classes wherever a model's config says ``old``, in place."""
    for _, node, key in settings(model, *CLASS_KEYS):
        if node[key] == old:
            node[key] = new
    for _, node, key in settings(model, 'class_weight'):
        if isinstance(node[key], list) and len(node[key]) == old + 1:
            node[key] = [node[key][0]] * new + node[key][-1:]  # the last is "no object"


def apply_recipe(config: Config, recipe: Config) -> None:
    """Replace optimiser, schedule and hooks by those of a schedule config, in place.

    ``bypass_duplicate`` stays: it tells that the model shares parameters, which no recipe changes.

    Args:
        config (Config): The model's config.
        recipe (Config): Such as ``configs/_base_/schedules/adamw_30e.py``.

    Raises:
        ValueError: ``recipe`` holds no optimiser or no loop.
    """
    for key in ('train_cfg', 'optim_wrapper'):
        if not recipe.get(key):
            raise ValueError(f'{recipe.filename}: no schedule config, it has no `{key}`')
    shared = ((config.get('optim_wrapper') or {}).get('paramwise_cfg') or {}).get(
        'bypass_duplicate')
    for key in _RECIPE_KEYS:
        if key in recipe:
            config[key] = recipe[key]
        else:
            config.pop(key, None)
    if shared is not None:
        config.optim_wrapper.setdefault('paramwise_cfg', {})['bypass_duplicate'] = shared


def iterations_per_epoch(config: Config) -> int | None:
    """Training steps per epoch, by the annotation files; None where they are not there yet."""
    images = 0
    for dataset in datasets(config, 'train_dataloader'):
        path = Path(dataset.get('data_root') or '.') / dataset.get('ann_file', '')
        if not path.is_file():
            return None
        images += len(read_json(path)['images'])
    return math.ceil(images / config.train_dataloader.get('batch_size', 1))


def _stretch(schedulers: list[ConfigDict], old: int, epochs: int) -> None:
    """Move schedulers to another length: linear below the warm-up's end and above it."""
    warm = max((s['end'] for s in schedulers if s.get('by_epoch', True) and not s.get('begin', 0)
                and s.get('end', old) < old / 2), default=0)
    new_warm = min(warm, epochs * _WARM_UP)

    def convert(epoch: float) -> float:
        if epoch <= warm and warm:
            return epoch * new_warm / warm
        return new_warm + (min(epoch, old) - warm) * (epochs - new_warm) / (old - warm)

    for scheduler in schedulers:
        if not scheduler.get('by_epoch', True):
            # A warm-up in iterations: it does not know how few of them a small set's epoch has.
            scheduler.update(begin=0, end=epochs * _WARM_UP, by_epoch=True)
        else:
            begin = scheduler.get('begin', 0)
            if 'T_max' in scheduler:
                scheduler['T_max'] = convert(begin + scheduler['T_max']) - convert(begin)
            scheduler.update({key: convert(scheduler[key]) for key in ('begin', 'end')
                              if key in scheduler})
        if 'milestones' in scheduler:
            scheduler['milestones'] = [max(1, round(convert(m))) for m in scheduler['milestones']]
        else:  # by iterations, epochs need not be whole numbers
            scheduler['convert_to_iter_based'] = True


def set_epochs(config: Config, epochs: int, val_interval: int | None = None) -> None:
    """Give a config another length, its schedule keeping its shape, in place.

    The warm-up keeps its length but takes at most a tenth of the training, the last epochs without
    mosaic at most a third; decays are stretched. Checkpoints are written some ten times; the last
    two are kept, so that a kill while one is written loses little.

    Args:
        config (Config): Any config whose training is counted in epochs.
        epochs (int): At least 1.
        val_interval (int, optional): Epochs between validations; 0 never validates. Default: a
            third of the training.

    Raises:
        ValueError: The training is not counted in epochs.
    """
    old = (config.get('train_cfg') or {}).get('max_epochs')
    if not old:
        raise ValueError(f'{config.filename}: train_cfg has no max_epochs to change')
    schedulers = config.get('param_scheduler') or []
    schedulers = [schedulers] if isinstance(schedulers, dict) else schedulers
    _stretch(schedulers, old, epochs)
    length = iterations_per_epoch(config)
    # mmengine refuses, or divides by the length of, schedules shorter than three iterations.
    config.param_scheduler = [
        s for s in schedulers if not length or not s.get('convert_to_iter_based')
        or (s.get('end', epochs) - s.get('begin', 0)) * length >= 3] or None
    for hook in config.get('custom_hooks') or []:
        if 'num_last_epochs' in hook:
            hook['num_last_epochs'] = min(hook['num_last_epochs'], math.ceil(epochs * _CLOSING))
    interval = max(1, epochs // 3) if val_interval is None else val_interval
    config.train_cfg = ConfigDict(type='EpochBasedTrainLoop', max_epochs=epochs,
                                  val_interval=interval or epochs)
    if 'max_epochs' in config:
        config.max_epochs = epochs
    if not interval:
        config.val_cfg = config.val_dataloader = config.val_evaluator = None
    hooks = dict(config.get('default_hooks') or {})
    checkpoint = dict(hooks.get('checkpoint') or dict(type='CheckpointHook'), by_epoch=True,
                      interval=max(1, epochs // 10), max_keep_ckpts=2, save_last=True)
    logger = dict(hooks.get('logger') or dict(type='LoggerHook'))
    if length:  # at least one line per epoch, or small sets would have no training curve
        logger['interval'] = max(1, min(logger.get('interval', 50), length))
    config.default_hooks = dict(hooks, checkpoint=checkpoint, logger=logger)


def adapt_config(config: Config, *, size: int | None = None, epochs: int | None = None,
                 data: str | Config | None = None, data_root: str | Path | None = None,
                 recipe: str = 'config', val_interval: int | None = None, seed: int | None = None,
                 batch_size: int | None = None, num_workers: int | None = None,
                 fold: int | None = None, accumulate: int = 1, scale_lr: str | None = None,
                 load: Callable[[str], Config] = Config.fromfile) -> Config:
    """A copy of a config for another job; what is None stays as it is.

    Args:
        config (Config): The model's own config.
        size (int): Side of the input in pixels; see :func:`set_size`.
        epochs (int): Length of the training; see :func:`set_epochs`.
        data (str | Config): A data config whose data set replaces the config's own; see
            :func:`set_data`.
        data_root (str | Path): Folder of the data set.
        recipe (str): ``config`` for the config's own optimiser, schedule and hooks, or the path of
            a schedule config that replaces them; see :func:`apply_recipe`.
        val_interval (int): Epochs between validations; 0 never validates.
        seed (int): Of the training.
        batch_size (int): Images per training step.
        num_workers (int): Loader processes; 0 loads in the training process.
        fold (int): Which fold of the data, from 1; see :func:`set_fold`.
        accumulate (int), scale_lr (str): With ``batch_size``; see :func:`set_batch`. Without
            ``scale_lr`` nothing but the batch changes.
        load: Reads a config from a path.

    Returns:
        Config: With ``filename`` as before.

    Raises:
        ValueError: Something cannot be changed; the message says what.
    """
    config = copy.deepcopy(config)
    if data is not None:
        set_data(config, load(data) if isinstance(data, str) else data)
    if data_root is not None:
        set_data_root(config, data_root)
    if fold is not None:
        set_fold(config, fold)
    if size is not None:
        set_size(config, size)
    if recipe != 'config':
        apply_recipe(config, load(recipe))
    if batch_size is not None and scale_lr is not None:
        set_batch(config, batch_size, accumulate, scale_lr)
    elif batch_size is not None:
        config.train_dataloader.batch_size = batch_size
    if epochs is not None:
        set_epochs(config, epochs, val_interval)
    if seed is not None:
        config.randomness = dict(config.get('randomness') or {}, seed=seed)
    if num_workers is not None:
        set_workers(config, num_workers)
    return config
