"""Accumulated gradients of losses that are sums over images."""
from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from torch import Tensor


@HOOKS.register_module()
class SumGradientsHook(Hook):
    """Let accumulation add gradients up where a model's losses are sums over images.

    mmengine divides each loss by ``optim_wrapper.accumulative_counts``, which suits losses that
    are means. A prototype head with ``scale_loss_by_batch`` sums, as YOLOv8 does; divided, its
    gradient would shrink k-fold with k accumulated batches. Such models are found by that
    attribute; those with means stay as mmengine has them.
    """

    def before_train(self, runner) -> None:
        """Take the division out of the run's optimiser wrapper, of whatever type it is."""
        if any(getattr(module, 'scale_loss_by_batch', False)
               for module in runner.model.modules()):
            runner.optim_wrapper.scale_loss = _as_it_is


def _as_it_is(loss: Tensor) -> Tensor:
    """In the place of ``OptimWrapper.scale_loss``: no division."""
    return loss
