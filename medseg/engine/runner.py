"""mmengine's runner with careful files: what it reads fits, what it writes is whole."""
from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from mmdet.registry import RUNNERS
from mmengine.config import Config
from mmengine.dist import master_only
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.registry import RUNNERS as ROOT_RUNNERS
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader

from medseg.errors import UserError
from medseg.io import replacing

from .checkpoint import load_weights, weights_of
from .checkpoint_file import CheckpointError
from .classes import config_classes, trained_classes
from .terse_log import TerseLog
from .training_state import check_optimiser, check_settings, check_training_state, resume_point


@RUNNERS.register_module()
class CarefulRunner(TerseLog, Runner):
    """A runner that refuses weights which do not fit, and writes files aside before renaming.

    ``partial_start = True`` in the config lets a training start from the part of ``load_from``
    that fits; what was and was not loaded is logged.
    """

    def load_checkpoint(self, filename: str, map_location: str | Callable = 'cpu',
                        strict: bool = True, revise_keys: list | None = None) -> dict:
        """Load weights, all of them unless the config asks for a partial start.

        Raises:
            CheckpointError: The file cannot be read or does not fit.
        """
        checkpoint = CheckpointLoader.load_checkpoint(
            filename, map_location=map_location, logger='silent')
        if self._resume:
            check_training_state(checkpoint, filename)
            if isinstance(self.optim_wrapper, OptimWrapper) \
                    and isinstance(self.param_schedulers, list):
                check_settings(self.optim_wrapper.optimizer.param_groups,
                               [scheduler.state_dict() for scheduler in self.param_schedulers],
                               checkpoint, filename)
        if 'state_dict' not in checkpoint:  # hooks want it
            checkpoint = {'state_dict': weights_of(checkpoint, filename), 'meta': {}}
        if self._train_loop is not None:
            self._compare_classes(checkpoint, filename)
        model = self.model
        while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
            model = model.module
        if self._resume:  # weight averaging takes its part in a hook, and would fail there
            load_weights(model, checkpoint, filename)
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        partial = bool(self.cfg.get('partial_start')) and not self._resume
        fit = load_weights(model, checkpoint, filename, partial)
        self._has_loaded = True
        self.logger.info(f'Load checkpoint from {filename}')
        if not fit.complete:
            self.logger.warning(f'{filename}: {fit.describe(most=1000)}')
        return checkpoint

    def _compare_classes(self, checkpoint: dict, filename: str) -> None:
        """Training on other classes than before: refused in a resume, said otherwise."""
        before = trained_classes(checkpoint, filename)
        now = config_classes(self.cfg, 'train_dataloader')
        if before is None or now is None or before == now:
            return
        text = f'{filename}: was trained with the classes {before}, the config has {now}'
        if self._resume:
            raise CheckpointError(f'{text}. Resume with the config that it was trained with')
        self.logger.warning(f'{text}: the heads start from weights that were for others')

    def load_or_resume(self) -> None:
        """Without a named checkpoint, resume from the newest one of the work dir that is whole."""
        if self._resume and self._load_from is None:
            point = resume_point(Path(self.work_dir), self.logger.warning)
            if point is None:
                self.logger.info(f'{self.work_dir}: nothing to resume from; starting anew')
                self._resume = False
            else:
                self._load_from = str(point)
        super().load_or_resume()

    def resume(self, filename: str, *args, **kwargs) -> None:
        """Go on with a training.

        Raises:
            CheckpointError: The checkpoint holds no state of training, or one that does not fit.
        """
        try:
            super().resume(filename, *args, **kwargs)
        except UserError:
            raise
        except Exception as error:  # optimisers and schedulers raise what they like
            reason = str(error).splitlines()[0][:300] if str(error) else ''
            raise CheckpointError(f'{filename}: its state of training does not fit the config '
                                  f'({type(error).__name__}: {reason})') from error
        check_optimiser(self.optim_wrapper, filename)

    @master_only
    def save_checkpoint(self, out_dir: str, filename: str, *args, **kwargs) -> None:
        """Write a checkpoint aside and rename it; see :class:`Runner` for the arguments."""
        if '://' in str(out_dir):
            super().save_checkpoint(out_dir, filename, *args, **kwargs)
            return
        with replacing(Path(out_dir) / filename) as part:
            super().save_checkpoint(str(part.parent), part.name, *args, **kwargs)
            flush_to_disk(part)

    @master_only
    def dump_config(self) -> None:
        """Write the config aside and rename it."""
        name = Path(self.cfg.filename).name if self.cfg.filename else f'{self.timestamp}.py'
        with replacing(Path(self.work_dir) / name, '.py') as part:
            self.cfg.dump(str(part))


def flush_to_disk(path: Path) -> None:
    """Return when a file's content is on the disk, so that a power cut cannot empty it."""
    with open(path, 'rb') as file:
        os.fsync(file.fileno())


def build_runner(cfg: Config) -> Runner:
    """The runner of a config: its ``runner_type``, or :class:`CarefulRunner`."""
    return ROOT_RUNNERS.build(cfg) if 'runner_type' in cfg else CarefulRunner.from_cfg(cfg)
