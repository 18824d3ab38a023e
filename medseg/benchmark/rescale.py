"""One config, another input size, data set, budget or seed: what makes trainings comparable."""
from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config

from .budget import apply_recipe, set_epochs
from .data_swap import LOADERS, datasets, set_data_root, swap_data

#: Arguments of transforms that are a size in pixels: one pair (width, height) or one number, or,
#: under the names that end in "s", a list of alternatives.
_SIZE_KEYS = ('img_scale', 'scale', 'size', 'crop_size', 'border', 'width', 'height')
_LIST_KEYS = ('scales', 'img_scales')


def _is_pixels(value: Any) -> bool:
    """A whole number of pixels; fractions of the image (``crop_size=(0.3, 0.3)``) are none."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) > 1


def _is_pair(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(map(_is_pixels, value))


def _transforms(config: Any, seen: set[int]) -> Iterator[dict]:
    """Every dict inside the pipelines of ``config``, each object once, however often it is used."""
    if isinstance(config, dict):
        for key, value in config.items():
            if key.endswith('pipeline') and isinstance(value, (list, tuple)):
                yield from _inside(value, seen)
            elif key == 'batch_augments':
                yield from _inside(value or [], seen)
            else:
                yield from _transforms(value, seen)
    elif isinstance(config, (list, tuple)):
        for item in config:
            yield from _transforms(item, seen)


def _inside(value: Any, seen: set[int]) -> Iterator[dict]:
    """All dicts in nested lists of transforms (``RandomChoice`` holds lists of pipelines)."""
    if isinstance(value, dict):
        if id(value) in seen:
            return
        seen.add(id(value))
        yield value
        for item in value.values():
            yield from _inside(item, seen)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _inside(item, seen)


def reference_size(config: Config) -> int:
    """Longest side, in pixels, that the config's test pipeline resizes images to.

    Raises:
        ValueError: Its test pipeline has no transform with a ``scale``.
    """
    for _, dataset in datasets(config, ('test_dataloader',)):
        for transform in dataset.get('pipeline', ()):
            for step in _inside(transform, set()):
                scale = step.get('scale')
                if _is_pair(scale):
                    return max(scale)
                if _is_pixels(scale):
                    return scale
    raise ValueError(f'{config.filename}: no Resize with a `scale` in the test pipeline, so its '
                     'size cannot be changed')


def _square(value: Any, factor: float) -> Any:
    """The square that bounds a size, times ``factor``; signs (``border``) are kept."""
    if _is_pair(value):
        largest = max(value, key=abs)
        return (round(largest * factor),) * 2
    return round(value * factor) if _is_pixels(value) else value


def _alternatives(values: Any, size: int) -> Any:
    """Sizes to choose from: squares in the ratio of the originals' short sides, ``size`` at most.

    ``[(1333, 640), (1333, 800)]`` at 640 is ``[(512, 512), (640, 640)]``.
    """
    if not isinstance(values, (list, tuple)) or not values or not all(map(_is_pair, values)):
        return values
    largest = max(min(value) for value in values)
    return [(round(size * min(value) / largest),) * 2 for value in values]


def set_size(config: Config, size: int) -> None:
    """Change the input size in every pipeline, hook and batch augmentation, in place.

    Every size is multiplied with ``size / reference``, the reference being the longest side of
    the test pipeline, and made square: with ``keep_ratio`` images are fitted into the square, as
    this project's own data configs do. Lists of alternatives keep their spread, ending at
    ``size``.

    Args:
        config (Config): Any config of mmdet's form.
        size (int): New side in pixels.

    Raises:
        ValueError: The test pipeline does not resize.
    """
    factor = size / reference_size(config)
    for step in _transforms(config._cfg_dict, set()):
        for key in _SIZE_KEYS:
            if key in step:
                value = step[key]
                several = isinstance(value, list) and value and all(map(_is_pair, value))
                step[key] = _alternatives(value, size) if several else _square(value, factor)
        for key in _LIST_KEYS:
            if key in step:
                step[key] = _alternatives(step[key], size)
        if 'random_size_range' in step:  # BatchSyncRandomResize
            divisor = step.get('size_divisor', 32)
            step['random_size_range'] = tuple(
                max(divisor, round(value * factor / divisor) * divisor)
                for value in step['random_size_range'])
    if _is_pair(config.get('img_scale')):
        config.img_scale = (size, size)


def set_workers(config: Config, num_workers: int) -> None:
    """Loader processes of all loaders; those of validation and test are at most 2."""
    for name in LOADERS:
        loader = config.get(name)
        if loader:
            loader.num_workers = num_workers if name == LOADERS[0] else min(num_workers, 2)
            if not loader.num_workers:
                loader.persistent_workers = False
                loader.pop('prefetch_factor', None)


def rescale_config(config: Config, *, size: int | None = None, epochs: int | None = None,
                   data: str | None = None, data_root: str | Path | None = None,
                   recipe: str = 'config', val_interval: int | None = None, seed: int | None = None,
                   batch_size: int | None = None, num_workers: int | None = None,
                   load: Callable[[str], Config] = Config.fromfile) -> Config:
    """A copy of a config under another budget; what is None stays as it is.

    Args:
        config (Config): The model's own config.
        size (int): Side of the input in pixels; see :func:`set_size`.
        epochs (int): Length of the training; see :func:`.budget.set_epochs`.
        data (str): A data config whose data set replaces the config's own; see
            :func:`.data_swap.swap_data`.
        data_root (str | Path): Folder of the data set.
        recipe (str): ``config`` for the config's own optimiser, schedule and hooks, or the path of
            a schedule config that replaces them; see :func:`.budget.apply_recipe`.
        val_interval (int): Epochs between validations; 0 never validates.
        seed (int): Of the training.
        batch_size (int): Images a training step.
        num_workers (int): Loader processes; 0 loads in the training process.
        load: Reads a config from a path.

    Returns:
        Config: With ``filename`` as before.

    Raises:
        ValueError: Something cannot be changed; the message says what.
    """
    config = copy.deepcopy(config)
    if data is not None:
        swap_data(config, load(data))
    if data_root is not None:
        set_data_root(config, data_root)
    if size is not None:
        set_size(config, size)
    if recipe != 'config':
        apply_recipe(config, load(recipe))
    if batch_size is not None:
        config.train_dataloader.batch_size = batch_size
    if epochs is not None:
        set_epochs(config, epochs, val_interval)
    if seed is not None:
        config.randomness = dict(config.get('randomness') or {}, seed=seed)
    if num_workers is not None:
        set_workers(config, num_workers)
    return config
