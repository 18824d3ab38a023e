"""Length of a training: the same shape of schedule over another number of epochs."""
from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from mmengine.config import Config, ConfigDict

from medseg.data.coco_file import read_json

from .data_swap import datasets

#: The largest part of a budget that a warm-up takes, and that training without mosaic takes.
WARM_UP = 0.1
CLOSING = 1 / 3
#: Schedulers that follow a curve, so that they can be followed by the iteration.
_SMOOTH = ('Linear', 'Cosine', 'Poly', 'Constant', 'OneCycle', 'QuadraticWarmup')
#: What a recipe replaces.
RECIPE_KEYS = ('train_cfg', 'val_cfg', 'test_cfg', 'optim_wrapper', 'param_scheduler',
               'custom_hooks', 'auto_scale_lr')


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
    for key in RECIPE_KEYS:
        if key in recipe:
            config[key] = recipe[key]
        else:
            config.pop(key, None)
    if shared is not None:
        config.optim_wrapper.setdefault('paramwise_cfg', {})['bypass_duplicate'] = shared


def _time_map(schedulers: list[ConfigDict], old: float, epochs: float) -> Callable[[float], float]:
    """Old epoch to new epoch: linear below the warm-up's end and above it.

    The warm-up keeps its length, but takes at most a tenth of the new budget.
    """
    ends = [s['end'] for s in schedulers
            if s.get('by_epoch', True) and not s.get('begin', 0) and s.get('end', old) < old / 2]
    warm = max(ends, default=0)
    new_warm = min(warm, epochs * WARM_UP)

    def convert(epoch: float) -> float:
        if epoch <= warm and warm:
            return epoch * new_warm / warm
        return new_warm + (epoch - warm) * (epochs - new_warm) / (old - warm)

    return convert


def _scale_schedulers(schedulers: list[ConfigDict], old: float, epochs: int) -> None:
    convert = _time_map(schedulers, old, epochs)
    for scheduler in schedulers:
        if not scheduler.get('by_epoch', True):
            # A warm-up in iterations: it does not know how few of them a small set's epoch has.
            scheduler.update(begin=0, end=epochs * WARM_UP, by_epoch=True,
                             convert_to_iter_based=True)
            continue
        begin = scheduler.get('begin', 0)
        if 'T_max' in scheduler:
            scheduler['T_max'] = convert(begin + scheduler['T_max']) - convert(begin)
        if 'begin' in scheduler:
            scheduler['begin'] = convert(begin)
        if 'end' in scheduler:
            scheduler['end'] = convert(min(scheduler['end'], old))
        # By iterations, epochs need not be whole numbers; what acts at certain ones needs them.
        scheduler['convert_to_iter_based'] = smooth = scheduler['type'].startswith(_SMOOTH)
        if not smooth:
            scheduler.update({key: round(scheduler[key]) for key in ('begin', 'end')
                              if key in scheduler})
        if 'milestones' in scheduler:
            scheduler['milestones'] = [max(1, round(convert(m))) for m in scheduler['milestones']]
        if 'step_size' in scheduler:
            scheduler['step_size'] = max(1, round(scheduler['step_size'] * epochs / old))


def _count_in_epochs(config: Config) -> float:
    """Turn a training counted in iterations into one counted in epochs; returns its length.

    A schedule in iterations is kept in parts of the whole, of 100 "epochs".
    """
    total, parts = config.train_cfg['max_iters'], 100
    for scheduler in config.get('param_scheduler') or []:
        if scheduler.get('by_epoch', True):
            continue
        if scheduler.get('end', total) <= total * WARM_UP and 'milestones' not in scheduler:
            continue  # a warm-up; it is shortened as any other
        scheduler['by_epoch'] = True
        for key in ('begin', 'end', 'T_max', 'step_size'):
            if key in scheduler:
                scheduler[key] = scheduler[key] * parts / total
        if 'milestones' in scheduler:
            scheduler['milestones'] = [m * parts / total for m in scheduler['milestones']]
    config.train_dataloader.sampler = dict(type='DefaultSampler', shuffle=True)
    config.train_dataloader.pop('batch_sampler', None)
    config.log_processor = dict(type='LogProcessor', window_size=50, by_epoch=True)
    return parts


def iterations_per_epoch(config: Config) -> int | None:
    """Training steps an epoch, by the annotation files; None where they are not there yet."""
    images = 0
    for is_leaf, dataset in datasets(config, ('train_dataloader',)):
        if is_leaf:
            path = Path(dataset.get('data_root') or '.') / dataset.get('ann_file', '')
            if not path.is_file():
                return None
            images += len(read_json(path)['images'])
    return math.ceil(images / config.train_dataloader.get('batch_size', 1))


def _scale_hooks(config: Config, old: float, epochs: int) -> None:
    """Hooks that act near the end: their span stays, but is at most a third of the budget."""
    most = math.ceil(epochs * CLOSING)
    for hook in config.get('custom_hooks') or []:
        if 'num_last_epochs' in hook:
            hook['num_last_epochs'] = min(hook['num_last_epochs'], most)
        if 'switch_epoch' in hook:
            hook['switch_epoch'] = epochs - min(round(old - hook['switch_epoch']), most)


def set_epochs(config: Config, epochs: int, val_interval: int | None = None) -> None:
    """Give a config another length, its schedule keeping its shape, in place.

    The warm-up keeps its length but takes at most a tenth of the budget, the last epochs without
    mosaic at most a third; decays are stretched. A training counted in iterations becomes one
    in epochs. Checkpoints are written some ten times; the last two are kept,
    so that a kill while one is written loses little.

    Args:
        config (Config): Any config with ``train_cfg``.
        epochs (int): Epochs, at least 1.
        val_interval (int, optional): Epochs between validations; 0 never validates. Default: a
            third of the budget.

    Raises:
        ValueError: No length to change.
    """
    train_cfg = config.get('train_cfg') or {}
    schedulers = config.get('param_scheduler') or []
    if isinstance(schedulers, dict):
        schedulers = config.param_scheduler = [schedulers]
    if 'max_epochs' in train_cfg:
        old = train_cfg['max_epochs']
    elif 'max_iters' in train_cfg:
        old = _count_in_epochs(config)
    else:
        raise ValueError(f'{config.filename}: train_cfg has neither max_epochs nor max_iters')
    _scale_schedulers(schedulers, old, epochs)
    length = iterations_per_epoch(config)
    if length and schedulers:  # mmengine refuses, or divides by the length of, shorter ones
        config.param_scheduler = [s for s in schedulers if not s['convert_to_iter_based']
                                  or (s.get('end', epochs) - s.get('begin', 0)) * length >= 3]
    _scale_hooks(config, old, epochs)
    interval = max(1, epochs // 3) if val_interval is None else val_interval
    config.train_cfg = ConfigDict(type='EpochBasedTrainLoop', max_epochs=epochs,
                                  val_interval=interval or epochs)
    if 'max_epochs' in config:
        config.max_epochs = epochs
    if not interval:
        config.val_cfg = config.val_dataloader = config.val_evaluator = None
    checkpoint = dict((config.get('default_hooks') or {}).get('checkpoint')
                      or dict(type='CheckpointHook'))
    checkpoint.update(by_epoch=True, interval=max(1, epochs // 10), max_keep_ckpts=2,
                      save_last=True, save_best=None)
    checkpoint.pop('rule', None)
    logger = dict((config.get('default_hooks') or {}).get('logger') or dict(type='LoggerHook'))
    if length:  # at least one line an epoch, or small sets would have no training curve
        logger['interval'] = max(1, min(logger.get('interval', 50), length))
    config.default_hooks = dict(config.get('default_hooks') or {}, checkpoint=checkpoint,
                                logger=logger)
