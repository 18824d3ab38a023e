"""Train the last epochs on whole images."""
from collections.abc import Sequence

from mmdet.registry import HOOKS
from mmengine.hooks import Hook


@HOOKS.register_module()
class CloseMosaicHook(Hook):
    """Skip the mixing transforms of a ``MultiImageMixDataset`` in the last epochs.

    The data loader must not keep its workers between epochs (``persistent_workers=False``), as
    they would keep the old pipeline.

    Args:
        num_last_epochs (int): Number of epochs without them.
        skip_type_keys (Sequence[str]): Types of the transforms to skip.
    """

    def __init__(self, num_last_epochs: int = 10,
                 skip_type_keys: Sequence[str] = ('PolygonMosaic',)) -> None:
        self.num_last_epochs = num_last_epochs
        self.skip_type_keys = tuple(skip_type_keys)
        self._closed = False

    def before_train_epoch(self, runner) -> None:
        """Close on reaching the epoch, also when training is resumed behind it."""
        if self._closed or runner.epoch < runner.max_epochs - self.num_last_epochs:
            return
        loader = runner.train_dataloader
        if getattr(loader, 'persistent_workers', False):
            raise ValueError('CloseMosaicHook: set `persistent_workers=False` in train_dataloader, '
                             'or the workers keep mixing images')
        loader.dataset.update_skip_type_keys(self.skip_type_keys)
        self._closed = True
        runner.logger.info(f'{", ".join(self.skip_type_keys)} closed from epoch '
                           f'{runner.epoch + 1} on')
