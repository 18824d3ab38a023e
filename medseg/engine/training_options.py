"""Settings of a training that are one flag of ``tools/train.py`` each."""
from __future__ import annotations

import importlib.util

from mmengine.config import Config, ConfigDict

from medseg.errors import UserError

#: Least gain of the monitored figure that counts as progress.
MIN_DELTA = 0.001


def stop_early(config: Config, patience: int) -> None:
    """End the training after ``patience`` validations without progress, in place.

    What is watched is what the best checkpoint is chosen by.

    Raises:
        UserError: The config chooses no best checkpoint.
    """
    checkpoint = (config.get('default_hooks') or {}).get('checkpoint') or {}
    if not isinstance(checkpoint.get('save_best'), str):
        raise UserError('--patience: set default_hooks.checkpoint.save_best, such as '
                        'coco/segm_mAP; it is the figure that is watched')
    config.custom_hooks = [*(config.get('custom_hooks') or []), ConfigDict(
        type='EarlyStoppingHook', monitor=checkpoint.save_best,
        rule=checkpoint.get('rule', 'greater'), min_delta=MIN_DELTA, patience=patience)]


def log_to_tensorboard(config: Config) -> None:
    """Also write scalars for TensorBoard, into the run's ``vis_data``, in place.

    Raises:
        UserError: TensorBoard is not installed.
    """
    if importlib.util.find_spec('tensorboard') is None:
        raise UserError('--tensorboard: needs the package: pip install tensorboard')
    backends = [*(config.visualizer.get('vis_backends') or [])]
    if not any(backend['type'] == 'TensorboardVisBackend' for backend in backends):
        config.visualizer.vis_backends = [*backends, ConfigDict(type='TensorboardVisBackend')]


def accumulate(config: Config, count: int) -> None:
    """Step the optimiser after ``count`` batches, in place."""
    config.optim_wrapper.accumulative_counts = count


def draw_batches(config: Config) -> None:
    """Keep pictures of the first training batches, in place."""
    config.custom_hooks = [*(config.get('custom_hooks') or []), ConfigDict(
        type='BatchPictureHook')]
