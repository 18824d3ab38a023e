"""What checkpoints are here: weights that fit a model, plain or fused."""
from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import EMAHook, Hook
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from medseg.io import replacing

from .checkpoint_file import CheckpointError, UnsafeCheckpointError, read_checkpoint
from .classes import check_count

__all__ = ['FUSED_KEY', 'CheckpointError', 'Fit', 'FuseBeforeLoadHook', 'UnsafeCheckpointError',
           'is_fused', 'load_strictly', 'load_weights', 'match_form', 'read_checkpoint', 'restore',
           'save_checkpoint', 'weights_of']

#: Key of ``checkpoint['meta']`` that ``tools/models/fuse.py`` sets.
FUSED_KEY = 'lmsfa_fused'


def is_fused(checkpoint: Any) -> bool:
    """Whether a checkpoint was written by ``tools/models/fuse.py``."""
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    return bool(isinstance(meta, dict) and meta.get(FUSED_KEY))


def match_form(model: nn.Module, checkpoint: Any) -> nn.Module:
    """Fuse ``model`` in place if ``checkpoint`` is of a fused model, so that its weights fit.

    Args:
        model (nn.Module): Model built from the checkpoint's config.
        checkpoint: What :func:`read_checkpoint` gave.

    Returns:
        nn.Module: ``model`` itself.
    """
    if is_fused(checkpoint):
        # Imported here: it brings in the whole model package.
        from medseg.engine.fuse import fuse_model
        fuse_model(model)
    return model


@dataclass(frozen=True)
class Fit:
    """How a checkpoint's tensors and a model's go together.

    Attributes:
        loaded (list[str]): In both, of one shape.
        missing (list[str]): In the model alone; they keep what they had.
        unknown (list[str]): In the file alone.
        reshaped (list[str]): In both, of different shapes, with these in words.
    """

    loaded: list[str]
    missing: list[str]
    unknown: list[str]
    reshaped: list[str]

    @property
    def complete(self) -> bool:
        """Nothing is missing, left over or of another shape."""
        return not (self.missing or self.unknown or self.reshaped)

    def describe(self, most: int = 3) -> str:
        """One sentence; of each kind the first ``most`` names."""
        total = len(self.loaded) + len(self.missing) + len(self.reshaped)
        parts = [f'{len(self.loaded)} of the {total} tensors of the model are in it']
        for names, what in ((self.reshaped, 'of another shape'), (self.missing, 'missing'),
                            (self.unknown, 'unknown to the model')):
            if names:
                more = ' ...' if len(names) > most else ''
                parts.append(f'{len(names)} {what}: {", ".join(names[:most])}{more}')
        return '; '.join(parts)


def weights_of(checkpoint: Any, name: str | os.PathLike) -> dict[str, torch.Tensor]:
    """A checkpoint's weights by name.

    Args:
        checkpoint: What :func:`read_checkpoint` gave: a dict with ``state_dict``, or that itself.
        name (str | os.PathLike): The file, for messages.

    Raises:
        CheckpointError: It holds none.
    """
    state = checkpoint.get('state_dict', checkpoint) if isinstance(checkpoint, dict) else None
    if not isinstance(state, dict) or not state or not all(
            isinstance(key, str) and isinstance(value, torch.Tensor)
            for key, value in state.items()):
        raise CheckpointError(f'{name}: holds no weights (`state_dict`)')
    return {key.removeprefix('module.'): value for key, value in state.items()}


def load_weights(model: nn.Module, checkpoint: Any, name: str | os.PathLike,
                 partial: bool = False) -> Fit:
    """Load a checkpoint's weights, refusing any that are missing, left over or of another shape.

    Args:
        model (nn.Module): Model in the checkpoint's form; see :func:`match_form`.
        checkpoint: What :func:`read_checkpoint` gave.
        name (str | os.PathLike): The file, for messages.
        partial (bool): Load what fits; the rest of the model stays as it is.

    Raises:
        CheckpointError: The checkpoint holds no weights, does not fit, or, with ``partial``, has
            nothing that fits. The model may have changed then.
    """
    state, own = weights_of(checkpoint, name), model.state_dict()
    odd = {key: f'{key} {tuple(value.shape)}, here {tuple(own[key].shape)}'
           for key, value in state.items() if key in own and own[key].shape != value.shape}
    state = {key: value for key, value in state.items() if key not in odd}
    result = model.load_state_dict(state, strict=False)
    unknown = set(result.unexpected_keys)
    fit = Fit([key for key in state if key not in unknown],
              [key for key in result.missing_keys if key not in odd], list(unknown),
              list(odd.values()))
    remedy = 'Name the config that it was trained with'
    if not fit.loaded:
        raise CheckpointError(f'{name}: does not fit the config at all: {fit.describe()}. {remedy}')
    if not (partial or fit.complete):
        hint = ' (another number of classes?)' if odd and not (fit.missing or unknown) else ''
        raise CheckpointError(f'{name}: does not fit the config: {fit.describe()}{hint}. {remedy}; '
                              'to start a training from the part that fits: tools/train.py '
                              '--partial-weights')
    if not partial:
        check_count(model, checkpoint, name)
    return fit


def load_strictly(model: nn.Module, checkpoint: Any, name: str | os.PathLike) -> None:
    """:func:`load_weights`, all of them."""
    load_weights(model, checkpoint, name)


def restore(model: nn.Module, filename: str | os.PathLike) -> dict:
    """Give a model the weights of a checkpoint, plain or fused.

    Args:
        model (nn.Module): Model built from the checkpoint's config; fused in place where the
            checkpoint is.
        filename (str | os.PathLike): A file, or an address that mmengine knows.

    Returns:
        dict: The checkpoint.

    Raises:
        CheckpointError: It cannot be read or does not fit.
    """
    checkpoint = CheckpointLoader.load_checkpoint(str(filename), map_location='cpu',
                                                  logger='silent')
    load_strictly(match_form(model, checkpoint), checkpoint, filename)
    return checkpoint


def save_checkpoint(checkpoint: dict, out: Path) -> None:
    """Write beside the target, then rename, so that no half-written file carries its name.

    Args:
        checkpoint (dict): ``meta`` and ``state_dict``.
        out (Path): File to write; missing folders are made.

    Raises:
        OSError: The disk is full or the folder cannot be written.
    """
    # In memory first: PyTorch's own writer hides why a file cannot be written.
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    with replacing(out) as part, open(part, 'wb') as file:
        file.write(buffer.getbuffer())
        file.flush()
        os.fsync(file.fileno())


class FuseBeforeLoadHook(Hook):
    """Give the runner's model the form of a fused checkpoint just before its weights are loaded.

    For testing only. It also drops weight averaging, whose copy of the model is unfused; the
    weights of a fused checkpoint are the averaged ones.
    """

    priority = 'VERY_HIGH'

    def before_run(self, runner) -> None:
        """Drop ``EMAHook``; the list is replaced, not changed, as the runner iterates over it."""
        runner._hooks = [hook for hook in runner._hooks if not isinstance(hook, EMAHook)]

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Fuse; mmengine calls this between reading a checkpoint and loading its weights."""
        match_form(runner.model, checkpoint)
