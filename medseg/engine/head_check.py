"""Heads and data have to agree before a training starts, not at its first validation."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config
from torch import nn

from medseg.configs import classes, datasets, evaluators, settings
from medseg.data.coco_file import read_json
from medseg.errors import UserError

from .classes import class_counts


def check_heads(model: nn.Module, config: Config) -> None:
    """Refuse a model whose heads have another number of classes than the training data.

    Args:
        model (nn.Module): The built detector.
        config (Config): Its full config.

    Raises:
        UserError: Names the setting to change.
    """
    names = classes(config, 'train_dataloader')
    _check_subsets(config, names)
    for place, found in class_counts(model):
        if found != len(names):
            raise UserError(
                f'model.{place} is {found}, but the training data has {_say(names)}; set it: '
                f'--cfg-options model.{place}={len(names)}, or let --data or --classes do it')
    for path, node, key in settings(config.model, 'class_weight'):
        weights = node[key]
        if isinstance(weights, (list, tuple)) and len(weights) != len(names) + 1:
            raise UserError(f'{path} has {len(weights)} weights, but the training data has '
                            f'{_say(names)}, and one weight more is for "no object"')


def _check_subsets(config: Config, names: Sequence[str]) -> None:
    """The data of validation and test must have the classes of the training, in their order."""
    for loader in ('val_dataloader', 'test_dataloader'):
        if config.get(loader) and (others := classes(config, loader)) != tuple(names):
            raise UserError(f'{loader} has {_say(others)}, but train_dataloader {_say(names)}; '
                            'give both the same metainfo.classes')


def _say(names: Sequence[str]) -> str:
    shown = ', '.join(map(repr, names[:6])) + (', ...' if len(names) > 6 else '')
    return f'{len(names)} class{"" if len(names) == 1 else "es"} ({shown})'


def crowded(config: Config, *loaders: str) -> list[str]:
    """Settings that allow fewer objects per image than the annotation files hold, one line each.

    Args:
        config (Config): A full config.
        loaders (str): Whose annotation files are counted.
    """
    most, where = 0, ''
    for dataset in datasets(config, *loaders):
        root, file = dataset.get('data_root') or '', dataset.get('ann_file') or ''
        counts: dict[object, int] = {}
        for annotation in read_json(Path(root) / file).get('annotations', []):
            counts[annotation['image_id']] = counts.get(annotation['image_id'], 0) + 1
        if counts and max(counts.values()) > most:
            most, where = max(counts.values()), file
    limits = [(path, node[key]) for path, node, key in settings(
        config.model, 'max_per_img', 'max_per_image', 'num_queries', 'num_masks', 'top_k')
        if '.rpn' not in path and isinstance(node[key], int)]
    limits += [(f'{loader.replace("dataloader", "evaluator")}.max_dets', metric['max_dets'])
               for loader, metric in evaluators(config)
               if loader in loaders and metric.get('max_dets')]
    return [f'{where}: up to {most} objects in an image, but {path} is {limit}; the others cannot '
            'be found' for path, limit in limits if limit < most]
