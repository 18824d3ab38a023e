"""A warm-up of the biases from above, as YOLOv8 has it."""
import numpy as np
from mmdet.registry import HOOKS
from mmengine.hooks import Hook


@HOOKS.register_module()
class BiasWarmupHook(Hook):
    """Let the learning rate of biases fall to its schedule while that of weights rises.

    Class biases start at about five objects per image and must move by several units where there
    are two hundred. At AdamW's 2e-3, ramped up over three epochs, they take a large part of a
    short training for that.

    Args:
        start_lr (float): Learning rate of biases at the first iteration.
        epochs (int): Epochs until it meets the schedule, linearly.
    """

    # Before ParamSchedulerHook, whose schedulers go on from the value they find.
    priority = 'HIGH'

    def __init__(self, start_lr: float = 0.1, epochs: int = 3) -> None:
        self.start_lr = start_lr
        self.epochs = epochs
        self._groups: list[dict] = []
        self._scheduled: list[float] = []

    def before_train(self, runner) -> None:
        """Find the parameter groups that hold nothing but biases.

        Raises:
            ValueError: There is none: the optimiser's constructor made one group of everything.
        """
        biases = {id(p) for name, p in runner.model.named_parameters() if name.endswith('bias')}
        self._groups = [group for group in runner.optim_wrapper.param_groups
                        if all(id(p) in biases for p in group['params'])]
        if not self._groups:
            raise ValueError('BiasWarmupHook: no parameter group holds only biases; set '
                             '`paramwise_cfg=dict(norm_decay_mult=0., bias_decay_mult=0.)` in '
                             'optim_wrapper, which gives each parameter a group')

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        """Set the learning rate of this iteration."""
        steps = self.epochs * len(runner.train_dataloader)
        self._scheduled = [group['lr'] for group in self._groups]
        if runner.iter < steps:
            for group in self._groups:
                target = group.get('initial_lr', group['lr'])
                group['lr'] = float(np.interp(runner.iter, [0, steps], [self.start_lr, target]))

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """Put the schedule's back, which the next value is computed from."""
        for group, value in zip(self._groups, self._scheduled, strict=True):
            group['lr'] = value
