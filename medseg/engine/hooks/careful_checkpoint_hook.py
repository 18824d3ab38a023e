"""Checkpoints that a kill at any moment leaves resumable."""
from __future__ import annotations

import re
import secrets
from pathlib import Path

from mmdet.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook

from medseg.engine.checkpoint_file import CheckpointError, read_checkpoint
from medseg.engine.training_state import POINTER
from medseg.io import write_text

#: Key of the message hub: tells the files of one training from another's in the same folder.
TRAINING_ID = 'training_id'
#: Key of the message hub: the last epoch that was validated.
VALIDATED = 'validated_epoch'


@HOOKS.register_module()
class CarefulCheckpointHook(CheckpointHook):
    """mmengine's hook in another order: write the new file, name it, then remove the old one.

    ``last_checkpoint`` holds a bare name, so that the folder can be moved. Files of the same
    training that a kill left behind are removed when the next one is written: there is one best
    checkpoint of each figure. Those of other trainings stay. Takes :class:`CheckpointHook`'s
    arguments; files are whole only with :class:`medseg.engine.runner.CarefulRunner`.
    """

    def before_train(self, runner) -> None:
        """Take the names of earlier files as names in this folder.

        A training that was killed between a checkpoint and its validation catches up on that.
        """
        info = runner.message_hub.runtime_info
        folder = Path(self.out_dir or runner.work_dir)
        for key, name in self._best_files(runner).items():
            runner.message_hub.update_info(key, str(folder / name))
        # Upstream removes files by the numbers that a checkpoint lists.
        keep, self.max_keep_ckpts = self.max_keep_ckpts, -1
        super().before_train(runner)
        self.max_keep_ckpts = keep
        if TRAINING_ID not in info:
            runner.message_hub.update_info(TRAINING_ID, secrets.token_hex(8))
        self._written: set[Path] = set()
        self._left: set[Path] = set()
        if self.by_epoch and _validation_is_due(runner) and info.get(VALIDATED) != runner.epoch:
            runner.logger.info(f'validating epoch {runner.epoch} before going on')
            self.last_ckpt = str(Path(self.out_dir) / self.filename_tmpl.format(runner.epoch))
            runner.val_loop.run()

    def after_val_epoch(self, runner, metrics: dict) -> None:
        """Remember that this epoch was validated; see :class:`CheckpointHook`."""
        runner.message_hub.update_info(VALIDATED, runner.epoch)
        super().after_val_epoch(runner, metrics)

    def _save_checkpoint_with_step(self, runner, step: int, meta: dict) -> None:
        """Write, then name in ``last_checkpoint``, then remove those that are too many."""
        name = self.filename_tmpl.format(step)
        path = Path(self.out_dir) / name
        self.last_ckpt = str(path)
        runner.message_hub.update_info('last_ckpt', name)
        runner.save_checkpoint(
            self.out_dir, name, self.file_client_args, save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler, meta=meta, by_epoch=self.by_epoch,
            backend_args=self.backend_args, **self.args)
        if not is_main_process():
            return
        self._written.add(path)
        write_text(Path(runner.work_dir) / POINTER, name)
        if self.max_keep_ckpts > 0:
            pattern = _numbered(*self.filename_tmpl.split('{}'))
            older = sorted(int(match[1]) for file in self._files()
                           if (match := pattern.fullmatch(file.name)) and int(match[1]) <= step)
            for number in older[:-self.max_keep_ckpts]:
                self._remove(runner, Path(self.out_dir) / self.filename_tmpl.format(number))

    def _save_best_checkpoint(self, runner, metrics: dict) -> None:
        """Write the new best file before the old one goes."""
        before = self._best_files(runner)
        # Upstream removes the file that it remembers before it writes; let it remember none.
        memory = {name: getattr(self, name) for name in ('best_ckpt_path', 'best_ckpt_path_dict')
                  if hasattr(self, name)}
        for name, value in memory.items():
            setattr(self, name, dict.fromkeys(value) if isinstance(value, dict) else None)
        super()._save_best_checkpoint(runner, metrics)
        after = self._best_files(runner)
        for name, value in memory.items():
            now = getattr(self, name)
            setattr(self, name, {key: now[key] or old for key, old in value.items()}
                    if isinstance(value, dict) else now or value)
        for key, name in after.items():
            if name == before.get(key) or not is_main_process():
                continue
            self._written.add(Path(self.out_dir) / name)
            pattern = _numbered(re.sub(r'\d+\.pth$', '', name), '.pth')
            for file in self._files():
                if pattern.fullmatch(file.name) and file.name != name:
                    self._remove(runner, file)

    @staticmethod
    def _best_files(runner) -> dict[str, str]:
        """Bare names of the best checkpoints by their key in the message hub."""
        return {key: Path(str(value)).name
                for key, value in runner.message_hub.runtime_info.items()
                if key.startswith('best_ckpt') and value}

    def _files(self) -> list[Path]:
        return [path for path in Path(self.out_dir).glob('*.pth') if path.is_file()]

    def _remove(self, runner, path: Path) -> None:
        """Remove a file that this training wrote; leave one of another training, and say so."""
        if path in self._left:
            return
        if path in self._written or _training_id(path) == runner.message_hub.get_info(TRAINING_ID):
            path.unlink(missing_ok=True)
        else:
            self._left.add(path)
            runner.logger.warning(f'{path} stays: it is of another training')


def _numbered(start: str, end: str) -> re.Pattern:
    return re.compile(re.escape(start) + r'(\d+)' + re.escape(end))


def _training_id(path: Path) -> str | None:
    """Which training wrote a checkpoint; None if it does not say or cannot be read."""
    try:
        state = read_checkpoint(path)
    except CheckpointError:
        return None
    hub = state.get('message_hub') if isinstance(state, dict) else None
    info = hub.get('runtime_info') if isinstance(hub, dict) else None
    return info.get(TRAINING_ID) if isinstance(info, dict) else None


def _validation_is_due(runner) -> bool:
    """Whether mmengine's loop would have validated right behind the epoch that was finished."""
    loop = runner.train_loop
    return runner.epoch > 0 and runner.val_loop is not None and runner.epoch >= loop.val_begin and (
        runner.epoch % loop.val_interval == 0 or runner.epoch == loop.max_epochs)
