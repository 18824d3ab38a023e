"""What a training checkpoint holds beside the weights, and which one a training goes on from."""
from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import HistoryBuffer
from mmengine.optim import OptimWrapper
from torch import nn

from .checkpoint import is_fused, weights_of
from .checkpoint_file import CheckpointError, read_checkpoint, siblings

POINTER = 'last_checkpoint'
_NUMBERED = re.compile(r'(?:epoch|iter)_(\d+)\.pth')


def check_training_state(checkpoint: Any, name: str | os.PathLike) -> None:
    """Raise unless a training can go on from a checkpoint; take out what must not be followed.

    ``message_hub`` may name files (the best checkpoint, which is removed when a better one
    comes): only their bare names are kept.

    Args:
        checkpoint: What was read; changed in place.
        name (str | os.PathLike): The file, for messages.

    Raises:
        CheckpointError: It holds weights alone, is fused, or its state is damaged.
    """
    weights_of(checkpoint, name)
    if is_fused(checkpoint):
        raise CheckpointError(f'{name}: a fused checkpoint cannot be trained; use the one that '
                              'it was made from')
    meta, hub = checkpoint.get('meta'), checkpoint.get('message_hub')
    if not (isinstance(meta, dict) and isinstance(hub, dict) and {'epoch', 'iter'} <= set(meta)):
        raise CheckpointError(f'{name}: holds weights but no state of training, so training '
                              'cannot resume from it; start from its weights instead: '
                              f'--cfg-options load_from={name}')
    for key in ('optimizer', 'param_schedulers'):
        if key not in checkpoint:
            raise CheckpointError(
                f'{name}: holds no {key}, as the best checkpoints of a training do not; resuming '
                'from it would start the schedule anew. Resume from the epoch_N.pth beside it, or '
                f'start from its weights: --cfg-options load_from={name}.{siblings(Path(name))}')
    wrong = [key for key, fine in (
        ('meta.epoch', _natural(meta['epoch'])), ('meta.iter', _natural(meta['iter'])),
        ('meta.seed', meta.get('seed') is None or _natural(meta['seed'])),
        *((f'message_hub.{part}', isinstance(hub.get(part), dict))
          for part in ('log_scalars', 'runtime_info', 'resumed_keys')),
        ('optimizer', isinstance(checkpoint['optimizer'], dict)),
        ('param_schedulers', isinstance(checkpoint['param_schedulers'], (list, dict)))) if not fine]
    if wrong:
        raise CheckpointError(f'{name}: its state of training is damaged ({", ".join(wrong)}). '
                              f'Use an earlier checkpoint.{siblings(Path(name))}')
    hub['log_scalars'] = {key: value for key, value in hub['log_scalars'].items()
                          if isinstance(value, HistoryBuffer)}
    info = hub['runtime_info']
    for key in list(info):
        if key == 'cfg' or key.startswith('last_ckpt'):
            del info[key]
        elif key.startswith('best_ckpt'):
            info[key] = Path(str(info[key])).name
    if 'keep_ckpt_ids' in info:
        kept = info['keep_ckpt_ids']
        info['keep_ckpt_ids'] = [n for n in kept if _natural(n)] \
            if isinstance(kept, (list, tuple)) else []
    hub['resumed_keys'] = {key: value for key, value in hub['resumed_keys'].items()
                           if key in info or key in hub['log_scalars']}


def _natural(value: Any) -> bool:
    return type(value) is int and value >= 0


def _alike(own: Any, given: Any) -> bool:
    """Whether a setting from a file is of the kind that a program holds in its place."""
    if isinstance(own, bool) or own is None:
        return given is None or isinstance(given, (bool, int, float))
    if isinstance(own, (int, float)):
        return isinstance(given, (int, float)) and math.isfinite(given)
    if isinstance(own, (list, tuple)):
        return isinstance(given, (list, tuple)) and len(given) == len(own) and all(
            map(_alike, own, given))
    return not isinstance(own, str) or isinstance(given, str)


def check_settings(optimiser: Sequence[dict], schedulers: Sequence[dict], checkpoint: dict,
                   name: str | os.PathLike) -> None:
    """Raise where what a checkpoint would put into optimiser and schedule is of another kind.

    Both take what a file holds into their own attributes, and would fail in the middle of a step.

    Args:
        optimiser (Sequence[dict]): ``param_groups`` of the optimiser as built.
        schedulers (Sequence[dict]): ``state_dict()`` of each scheduler as built.
        checkpoint (dict): After :func:`check_training_state`.
        name (str | os.PathLike): The file, for messages.

    Raises:
        CheckpointError: See there.
    """
    groups = checkpoint['optimizer'].get('param_groups')
    for what, own, given in (('optimiser', optimiser, groups),
                             ('schedule', schedulers, checkpoint['param_schedulers'])):
        fits = isinstance(given, list) and len(given) == len(own) and all(
            isinstance(part, dict) for part in given)
        wrong = [key for mine, part in zip(own, given, strict=True) for key in part
                 if key != 'params' and (key not in mine or not _alike(mine[key], part[key]))
                 and (key in mine or what == 'schedule')] if fits else ['its number of parts']
        if wrong:
            raise CheckpointError(f'{name}: the state of its {what} does not fit the config '
                                  f'({wrong[0]}); resume with the config that it was trained with')


def check_optimiser(wrapper: Any, name: str | os.PathLike) -> None:
    """Raise where an optimiser's loaded state has other shapes than its parameters.

    Args:
        wrapper: mmengine's ``OptimWrapper``, or a dict of them, after loading.
        name (str | os.PathLike): The checkpoint, for messages.

    Raises:
        CheckpointError: See there; PyTorch would fail in the middle of the first step.
    """
    wrappers = [wrapper] if isinstance(wrapper, OptimWrapper) else list(wrapper.values())
    for one in wrappers:
        for parameter, state in one.optimizer.state.items():
            for key, value in state.items():
                if isinstance(value, torch.Tensor) and isinstance(parameter, nn.Parameter) \
                        and value.numel() > 1 and value.shape != parameter.shape:
                    raise CheckpointError(
                        f'{name}: the state of its optimiser ({key}) has the shape '
                        f'{tuple(value.shape)}, the parameter {tuple(parameter.shape)}; the config '
                        'is not the one that it was trained with')


def candidates(work_dir: Path) -> list[Path]:
    """Training checkpoints of a work dir, the one to resume from first.

    That is the one which ``last_checkpoint`` names, unless a later one was written after it: a
    kill can fall between the two files. Without that file, the one of the latest epoch.
    """
    found = {int(match[1]): path for path in work_dir.glob('*.pth')
             if (match := _NUMBERED.fullmatch(path.name))}
    numbers = sorted(found, reverse=True)
    expected = expected_checkpoint(work_dir)
    number = next((n for n, path in found.items() if path == expected), None)
    if number is not None:
        born = expected.stat().st_mtime
        later = [n for n in numbers if n > number and found[n].stat().st_mtime >= born]
        older = [n for n in numbers if n < number]
        # Of an earlier and longer training in the same folder: the last choice.
        strays = [n for n in numbers if n > number and n not in later]
        numbers = [*later, number, *older, *strays]
    return [found[n] for n in numbers]


def expected_checkpoint(work_dir: Path) -> Path | None:
    """What ``last_checkpoint`` names; a file of the work dir itself, wherever that was moved."""
    try:
        name = Path((work_dir / POINTER).read_text(encoding='utf-8').strip()).name
    except (OSError, ValueError):
        return None
    return work_dir / name if name else None


def resume_point(work_dir: Path, say: Callable[[str], None]) -> Path | None:
    """The newest checkpoint of a work dir that is whole.

    Args:
        work_dir (Path): Of the training.
        say (Callable): Gets a line for each newer one that is not, and where the one taken is
            not the one expected.

    Returns:
        Path | None: None where there is no checkpoint.

    Raises:
        CheckpointError: There are some, but none is whole.
    """
    expected, broken = expected_checkpoint(work_dir), []
    for path in candidates(work_dir):
        try:
            check_training_state(read_checkpoint(path), path)
        except CheckpointError as error:
            broken.append(path.name)
            say(f'passed over: {error}')
            continue
        if path != expected:
            wanted = f'{POINTER} names {expected.name}' if expected else f'there is no {POINTER}'
            say(f'resuming from {path}, though {wanted}: it is the newest one that is whole')
        return path
    if broken:
        raise CheckpointError(f'{work_dir}: none of its checkpoints can be resumed from '
                              f'({", ".join(broken)}); see above. Give another --work-dir to '
                              'start anew')
    if expected is not None:
        raise CheckpointError(f'{work_dir}: its {POINTER} names {expected.name}, but there is no '
                              'checkpoint; put it back, or give another --work-dir to start anew')
    return None
