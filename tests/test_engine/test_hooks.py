"""Hooks of the training schedule."""
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from medseg.engine.hooks import (
    BiasWarmupHook,
    ChannelsLastHook,
    CloseMosaicHook,
    EpochSeedHook,
    epoch_worker_init_fn,
)


class Recorder:
    def __init__(self):
        self.skipped = []

    def update_skip_type_keys(self, keys):
        self.skipped.append(keys)


def runner(epoch, max_epochs=30, persistent=False):
    loader = SimpleNamespace(dataset=Recorder(), persistent_workers=persistent)
    return SimpleNamespace(epoch=epoch, max_epochs=max_epochs, train_dataloader=loader, seed=7,
                           logger=SimpleNamespace(info=lambda message: None))


def closed_at(hook, epochs):
    """The epochs (0-based) before which the hook closes the mosaic."""
    one = runner(0)
    closed = []
    for one.epoch in epochs:
        before = len(one.train_dataloader.dataset.skipped)
        hook.before_train_epoch(one)
        closed += [one.epoch] * (len(one.train_dataloader.dataset.skipped) - before)
    return closed


def test_mosaic_closes_once_for_the_last_epochs():
    assert closed_at(CloseMosaicHook(10), range(30)) == [20]


def test_mosaic_stays_closed_after_a_resume_behind_the_switch():
    assert closed_at(CloseMosaicHook(10), range(25, 30)) == [25]


def test_persistent_workers_are_refused():
    with pytest.raises(ValueError, match='persistent_workers=False'):
        CloseMosaicHook(10).before_train_epoch(runner(20, persistent=True))


def draws(epoch):
    EpochSeedHook().before_train_epoch(runner(epoch))
    worker_seed = torch.initial_seed()
    values = (random.random(), np.random.rand(), torch.rand(1).item())
    return worker_seed, *values


def test_epochs_differ_and_repeat_after_resume():
    assert draws(3) == draws(3)
    assert all(a != b for a, b in zip(draws(3), draws(4), strict=True))


def test_workers_follow_pytorchs_seed():
    values = []
    for seed in (1, 2, 1):
        torch.manual_seed(seed)
        epoch_worker_init_fn(0)
        values.append((random.random(), np.random.rand()))
    assert values[0] == values[2] != values[1]


def test_channels_last():
    model = nn.Conv2d(4, 8, 3)
    ChannelsLastHook().before_run(SimpleNamespace(model=model))
    assert model.weight.is_contiguous(memory_format=torch.channels_last)


def warm_up(groups, iterations, parameters):
    """Learning rates that BiasWarmupHook makes of a schedule of 1, 2, 3, ... for each group."""
    one = SimpleNamespace(iter=0, train_dataloader=range(4), model=parameters,
                          optim_wrapper=SimpleNamespace(param_groups=groups))
    hook = BiasWarmupHook(start_lr=9.0, epochs=2)
    hook.before_train(one)
    seen = []
    for one.iter in range(iterations):
        for group in groups:
            group['lr'] = one.iter + 1.0
        hook.before_train_iter(one, one.iter)
        seen.append([group['lr'] for group in groups])
        hook.after_train_iter(one, one.iter)
        assert [group['lr'] for group in groups] == [one.iter + 1.0] * len(groups)
    return seen


def test_biases_warm_up_from_above():
    model = nn.Conv2d(1, 1, 1)
    groups = [dict(params=[model.weight], lr=1.0, initial_lr=5.0),
              dict(params=[model.bias], lr=1.0, initial_lr=5.0)]
    seen = warm_up(groups, 10, model)
    assert [weight for weight, _ in seen] == list(range(1, 11))
    # 9 to 5 over 2 epochs of 4 iterations, then the schedule's own.
    assert [bias for _, bias in seen] == [9, 8.5, 8, 7.5, 7, 6.5, 6, 5.5, 9, 10]


def test_bias_warm_up_needs_groups_of_biases():
    model = nn.Conv2d(1, 1, 1)
    with pytest.raises(ValueError, match='no parameter group holds only biases'):
        warm_up([dict(params=list(model.parameters()), lr=1.0)], 1, model)
