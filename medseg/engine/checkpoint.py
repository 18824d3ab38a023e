"""Reading checkpoints without running what they carry, and recognising fused ones."""
import ast
import os
import pickle
import re
import zipfile
from logging import WARNING
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import EMAHook, Hook
from mmengine.logging import print_log
from torch import nn

from medseg.errors import UserError

#: Key of ``checkpoint['meta']`` that ``tools/models/fuse.py`` sets.
FUSED_KEY = 'lmsfa_fused'
_PLAIN_CALLS = {'dict', 'list', 'tuple', 'set', 'float'}


class CheckpointError(UserError):
    """A checkpoint cannot be used; the message names the file and the remedy."""


class UnsafeCheckpointError(CheckpointError):
    """A checkpoint holds more than tensors and plain values."""


def _siblings(path: Path) -> str:
    """Other checkpoints of the same folder, newest first, as a hint."""
    others = sorted((p for p in path.parent.glob('*.pth') if p.name != path.name),
                    key=lambda p: p.stat().st_mtime, reverse=True)
    names = ', '.join(str(p) for p in others[:3])
    return f' Beside it: {names}.' if names else ''


def _is_plain(node: ast.AST) -> bool:
    """Whether an expression can only give a plain value."""
    if isinstance(node, ast.Constant):
        return True
    if isinstance(node, ast.Name):
        return node.id in {'inf', 'nan'}
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, (ast.USub, ast.UAdd)) and _is_plain(node.operand)
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return all(_is_plain(item) for item in node.elts)
    if isinstance(node, ast.Dict):
        return all(key is not None and _is_plain(key) for key in node.keys) and all(
            _is_plain(value) for value in node.values)
    if isinstance(node, ast.Call):
        return (isinstance(node.func, ast.Name) and node.func.id in _PLAIN_CALLS
                and all(_is_plain(item) for item in node.args)
                and all(item.arg and _is_plain(item.value) for item in node.keywords))
    return False


def is_plain_config(text: str) -> bool:
    """Whether a config's text only assigns plain values to names.

    mmengine runs ``meta.config`` as Python when it resumes, and mmdet's inferencer ``meta.cfg``.
    What mmengine writes itself is plain; anything else (imports, calls, ``_base_`` files,
    ``{{templates}}``) could carry code.

    Args:
        text (str): ``checkpoint['meta']['config']`` or ``['cfg']``.
    """
    if '{{' in text:
        return False
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return False
    for node in tree.body:
        if not isinstance(node, ast.Assign) or not _is_plain(node.value):
            return False
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        if len(names) != len(node.targets) or '_base_' in names:
            return False
    return True


def _withhold_code(checkpoint: Any, filename: str) -> None:
    """Take config texts that are more than plain values out of a checkpoint's meta."""
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    for key in ('cfg', 'config') if isinstance(meta, dict) else ():
        if key in meta and not (isinstance(meta[key], str) and is_plain_config(meta[key])):
            del meta[key]
            print_log(f'{filename}: its `meta.{key}` is more than plain values and is ignored, '
                      'because mmengine would run it as Python', logger='current', level=WARNING)


def read_checkpoint(filename: str | os.PathLike, map_location: Any = 'cpu') -> Any:
    """Load a local checkpoint with ``weights_only=True``, whatever the environment says.

    Args:
        filename (str | os.PathLike): The file.
        map_location: As in :func:`torch.load`.

    Returns:
        The loaded object, in general a dict with ``state_dict`` and ``meta``.

    Raises:
        CheckpointError: The file is missing or damaged.
        UnsafeCheckpointError: The file would run code on loading.
    """
    path = Path(filename).expanduser()
    if not path.is_file():
        raise CheckpointError(f'{path}: no such checkpoint; check the path, or train one with '
                              f'tools/train.py.{_siblings(path)}')
    with open(path, 'rb') as file:
        head = file.read(4)
    if head == b'PK\x03\x04' and not zipfile.is_zipfile(path):
        raise CheckpointError(
            f'{path}: the checkpoint is cut short ({path.stat().st_size} bytes; its end is '
            f'missing), as after an interrupted copy or a full disk. Copy it again or use an '
            f'earlier one.{_siblings(path)}')
    try:
        checkpoint = torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r'(?:GLOBAL|class|global:?)\s+([A-Za-z_][\w.]*\.[\w.]+)', str(error))
        if 'Unsupported' in str(error) or 'Trying to' in str(error):
            what = f' (it asks for `{found.group(1)}`)' if found else ''
            raise UnsafeCheckpointError(
                f'{path}: refused, because the file carries code or objects beside its '
                f'weights{what} and loading them could run a program. Nothing was run. Use a '
                'checkpoint from a source you trust, saved as a plain state_dict.') from error
        raise CheckpointError(f'{path}: not a PyTorch checkpoint, or damaged: '
                              f'{str(error).splitlines()[0]}') from error
    except (RuntimeError, EOFError, ValueError, OSError) as error:
        raise CheckpointError(
            f'{path}: the checkpoint is damaged ({path.stat().st_size} bytes): '
            f'{str(error).splitlines()[0] if str(error) else type(error).__name__}. Copy it '
            f'again or use an earlier one.{_siblings(path)}') from error
    _withhold_code(checkpoint, str(path))
    return checkpoint


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


def load_strictly(model: nn.Module, checkpoint: Any, name: str | os.PathLike) -> None:
    """Load a checkpoint's weights, refusing any that are missing, left over or of another shape.

    Args:
        model (nn.Module): Model in the checkpoint's form; see :func:`match_form`.
        checkpoint: What :func:`read_checkpoint` gave.
        name (str | os.PathLike): The file, for messages.

    Raises:
        CheckpointError: The checkpoint holds no weights or does not fit.
    """
    state = checkpoint.get('state_dict', checkpoint) if isinstance(checkpoint, dict) else None
    if not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise CheckpointError(f'{name}: holds no weights (`state_dict`)')
    try:
        model.load_state_dict({key.removeprefix('module.'): value
                               for key, value in state.items()})
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise CheckpointError(f'{name}: does not fit the config: {first[:200]} ... Name the '
                              'config that it was trained with.') from error


def save_checkpoint(checkpoint: dict, out: Path) -> None:
    """Write beside the target, then rename, so that no half-written file carries its name.

    Args:
        checkpoint (dict): ``meta`` and ``state_dict``.
        out (Path): File to write; missing folders are made.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f'.{out.name}.{os.getpid()}.tmp')
    try:
        torch.save(checkpoint, part)
        os.replace(part, out)
    finally:
        part.unlink(missing_ok=True)


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
