"""Class names of a checkpoint: checked, counted against the heads, and put in their order."""
from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from mmdet.models.dense_heads import RPNHead
from mmdet.models.detectors import BaseDetector
from mmengine.config import Config
from torch import nn

from medseg.configs import CLASS_KEYS, classes, datasets

from .checkpoint_file import CheckpointError


def trained_classes(checkpoint: Any, name: str | os.PathLike) -> tuple[str, ...] | None:
    """Class names that a checkpoint was trained with, in the order of its labels.

    Args:
        checkpoint: What :func:`.checkpoint_file.read_checkpoint` gave.
        name (str | os.PathLike): The file, for messages.

    Returns:
        tuple[str, ...] | None: None where it does not say.

    Raises:
        CheckpointError: What it says are no names, or two are equal.
    """
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    known = meta.get('dataset_meta') if isinstance(meta, dict) else None
    found = known.get('classes', known.get('CLASSES')) if isinstance(known, dict) else None
    if found is None:
        return None
    names = (found,) if isinstance(found, str) else tuple(found) \
        if isinstance(found, (list, tuple)) else ()
    if not names or not all(isinstance(n, str) and n for n in names) \
            or len(set(names)) < len(names):
        raise CheckpointError(f'{name}: its class names (`meta.dataset_meta.classes`) are no list '
                              'of different names; the file is damaged or was changed by hand')
    return names


def class_counts(model: nn.Module) -> Iterator[tuple[str, int]]:
    """Number of classes of each head of a detector, by the place of its setting."""
    for path, module in model.named_modules():
        if isinstance(module, RPNHead):
            continue  # it tells objects from background, whatever they are
        for key in CLASS_KEYS[::-1]:  # things first: they are what `num_classes` is made of
            if isinstance(getattr(module, key, None), int):
                yield f'{path}.{key}'.lstrip('.'), getattr(module, key)
                break


def check_count(model: nn.Module, checkpoint: Any, name: str | os.PathLike) -> None:
    """Raise where a checkpoint names more or fewer classes than a model's heads tell apart.

    Raises:
        CheckpointError: See there.
    """
    names = trained_classes(checkpoint, name)
    # Detectors' heads know objects alone; other networks may count the background.
    extra = 0 if isinstance(model, BaseDetector) else 1
    for place, count in class_counts(model) if names else ():
        if count - len(names) not in (0, extra):
            raise CheckpointError(f'{name}: names {len(names)} classes, but model.{place} of the '
                                  f'config is {count}. Name the config that it was trained with')


def config_classes(config: Config, loader: str) -> tuple[str, ...] | None:
    """Class names of a loader's data; None where only its files know them."""
    try:
        return classes(config, loader)
    except ValueError:
        return None


def follow_order(config: Config, checkpoint: Any, name: str | os.PathLike,
                 loader: str = 'test_dataloader') -> str | None:
    """Give a loader's data the class order of a checkpoint, in place.

    Args:
        config (Config): Full config; its ``metainfo`` is changed.
        checkpoint: What was read.
        name (str | os.PathLike): The file, for messages.
        loader (str): Whose data.

    Returns:
        str | None: What was done, for the user; None if the orders are the same.

    Raises:
        CheckpointError: The checkpoint was trained with other classes.
    """
    trained, own = trained_classes(checkpoint, name), config_classes(config, loader)
    if trained is None or own is None or trained == own:
        return None
    if set(trained) != set(own):
        raise CheckpointError(
            f'{name}: was trained with the classes {_listed(trained)}, but the data of {loader} '
            f'has {_listed(own)}. Name the config that it was trained with, or, if only names '
            f'changed: --cfg-options {loader}.dataset.metainfo.classes="(...)"')
    order = [own.index(label) for label in trained]
    for dataset in datasets(config, loader):
        dataset.metainfo = {
            key: [value[i] for i in order] if isinstance(value, (list, tuple))
            and len(value) == len(own) else value
            for key, value in (dataset.get('metainfo') or {}).items()}
        dataset.metainfo['classes'] = trained
    return (f'the classes are taken in the order of {name} ({_listed(trained)}); the config has '
            f'{_listed(own)}')


def _listed(names: tuple[str, ...]) -> str:
    return ', '.join(names[:6]) + (', ...' if len(names) > 6 else '')
