"""Randomness that is new every epoch and the same after a resume."""
import random

import cv2
import numpy as np
import torch
from mmdet.registry import HOOKS
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import FUNCTIONS


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seed Python, NumPy and PyTorch at the start of each epoch from (seed, epoch, rank).

    Together with ``worker_init_fn=dict(type='epoch_worker_init_fn')`` an interrupted and resumed
    run sees the same augmentations as an uninterrupted one, and no epoch repeats those of
    another, as mmengine's own worker seeding does.
    """

    priority = 'VERY_HIGH'

    def before_train_epoch(self, runner) -> None:
        """Seed, before the data loader starts its workers."""
        entropy = (runner.seed, runner.epoch, get_rank())
        seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)


@FUNCTIONS.register_module()
def epoch_worker_init_fn(worker_id: int) -> None:
    """Seed a worker from the seed that PyTorch drew for it this epoch.

    Args:
        worker_id (int): Index of the worker; PyTorch's seed already depends on it, and on the
            run's seed, the epoch and the rank through :class:`EpochSeedHook`.
    """
    worker_seed = torch.initial_seed() % 2 ** 32
    np.random.seed(worker_seed)
    random.seed(worker_seed)
    # The training process needs the cores.
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
