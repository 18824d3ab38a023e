"""The one place that reads files of PyTorch: weights and plain values, or a sentence why not."""
from __future__ import annotations

import io
import os
import pickle
import warnings
import zipfile
from collections.abc import Iterator
from logging import WARNING
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, print_log

from medseg.errors import UserError

from .pickle_check import (
    Contents,
    PickleError,
    UnknownKindError,
    UnsafePickleError,
    examine,
)

_MAGIC = 0x1950a86a20f9469cfc6c  # first value of files that PyTorch wrote before 1.6
_PRETENDERS = (
    (b'<', 'is a web page or XML, as a download leaves it that wanted a login first'),
    (b'version https://git-lfs', 'is a pointer of Git LFS; `git lfs pull` gets the file itself'),
    (b'\x1f\x8b', 'is a gzip archive; unpack it first'),
    (b'\x89HDF', 'is an HDF5 file, not one of PyTorch'))
#: Texts in ``meta`` that mmengine or mmdet would run as Python.
_CODE = ('cfg', 'config')
_MAX_DEPTH = 100


class CheckpointError(UserError):
    """A checkpoint cannot be used; the message names the file and the remedy."""


class UnsafeCheckpointError(CheckpointError):
    """A checkpoint holds more than tensors and plain values."""


def siblings(path: Path) -> str:
    """Other checkpoints of the same folder, newest first, as a hint."""
    try:
        others = sorted((p for p in path.parent.glob('*.pth')
                         if p.name != path.name and not p.name.startswith('.') and p.is_file()),
                        key=lambda p: p.stat().st_mtime, reverse=True)
    except OSError:
        return ''
    names = ', '.join(str(p) for p in others[:3])
    return f' Beside it: {names}.' if names else ''


def check_place(path: Path) -> None:
    """Raise unless a path is a file with something in it.

    Raises:
        CheckpointError: It is missing, a dangling link, a folder, a device, empty, not readable.
    """
    try:
        if path.is_file():
            with open(path, 'rb') as file:
                if file.read(1):
                    return
            raise CheckpointError(f'{path}: the checkpoint is empty (0 bytes), as after a full '
                                  f'disk or a kill. Use an earlier one.{siblings(path)}')
        if path.is_dir():
            raise CheckpointError(f'{path}: is a folder, not a checkpoint; name a file in it.'
                                  f'{siblings(path / "x")}')
        if path.is_symlink():
            raise CheckpointError(f'{path}: is a link to {os.readlink(path)}, which is not there.'
                                  f'{siblings(path)}')
        if path.exists():
            raise CheckpointError(f'{path}: is no regular file; name a checkpoint (.pth)')
    except OSError as error:
        raise CheckpointError(f'{path}: cannot be read ({error.strerror})') from error
    raise CheckpointError(f'{path}: no such checkpoint; check the path, or train one with '
                          f'tools/train.py.{siblings(path)}')


def _damaged(path: Path, reason: object) -> CheckpointError:
    return CheckpointError(f'{path}: the checkpoint is damaged ({path.stat().st_size} bytes): '
                           f'{reason}. Copy it again or use an earlier one.{siblings(path)}')


def _refused(path: Path, error: PickleError) -> CheckpointError:
    if isinstance(error, UnknownKindError):
        return CheckpointError(f'{path}: {error}; only plain, dense tensors and plain values are '
                               'read. Save the model\'s state_dict() with torch.save')
    if isinstance(error, UnsafePickleError):
        return UnsafeCheckpointError(
            f'{path}: refused, because the file carries code or objects beside its weights (it '
            f'asks for `{error}`) and loading them could run a program. Nothing was run. Use a '
            'checkpoint from a source you trust, saved as a plain state_dict.')
    return _damaged(path, error)


def _check_zip(path: Path, file: BinaryIO, stubs: bool) -> Contents:
    """Structure, checksums and pickle of a file in PyTorch's zip format (1.6 and later)."""
    size = path.stat().st_size
    if not zipfile.is_zipfile(file):
        raise CheckpointError(
            f'{path}: the checkpoint is cut short ({size} bytes; its end is missing), as after '
            'an interrupted copy or a full disk. Copy it again or use an earlier one.'
            f'{siblings(path)}')
    with zipfile.ZipFile(file) as archive:
        members = {info.filename: info for info in archive.infolist()}
        if (len(members) < len(archive.infolist())
                or sum(info.file_size for info in members.values()) > size
                or any(info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1
                       for info in members.values())):
            raise CheckpointError(
                f'{path}: holds no PyTorch data: its members are compressed, encrypted or lie over '
                'each other, which PyTorch never writes')
        found = [name for name in members if name.endswith('/data.pkl')]
        if len(found) != 1:
            raise CheckpointError(f'{path}: holds no PyTorch data (`data.pkl`); it is another kind '
                                  'of zip file')
        prefix = found[0].removesuffix('data.pkl')
        if f'{prefix}constants.pkl' in members:
            raise UnsafeCheckpointError(f'{path}: refused, because it is a TorchScript program, '
                                        'not weights; save model.state_dict() instead')
        damaged = archive.testzip()
        if damaged is not None:
            raise _damaged(path, f'the checksum of {damaged} is wrong')
        contents = Contents()
        examine(io.BytesIO(archive.read(found[0])), contents, stubs)
        for key, wanted in contents.storages.items():
            info = members.get(f'{prefix}data/{key}')
            if info is None or info.file_size != wanted:
                raise _damaged(path, f'the numbers of data/{key} are missing or not {wanted} bytes')
    return contents


def _check_old_format(path: Path, file: BinaryIO, stubs: bool) -> Contents:
    """Pickles of a file in PyTorch's format before 1.6."""
    contents = Contents()
    magic = None
    try:
        magic = examine(file, Contents())
    except UnsafePickleError:
        raise
    except PickleError:
        pass  # the message below says it
    if magic != _MAGIC:
        raise CheckpointError(f'{path}: is not a file of PyTorch, or its start is damaged.'
                              f'{siblings(path)}')
    for _ in range(4):  # protocol, machine, data, keys of the storages
        examine(file, contents, stubs)
    if sum(contents.storages.values()) > path.stat().st_size - file.tell():
        raise _damaged(path, 'it has fewer numbers than its tensors')
    return contents


def check_file(path: Path, stubs: bool = False) -> Contents:
    """Everything that can be known of a file before it is loaded.

    Args:
        path (Path): The file.
        stubs (bool): See :func:`.pickle_check.examine`.

    Returns:
        Contents: What its pickle asks for.

    Raises:
        CheckpointError: It is missing, damaged, or no file of PyTorch.
        UnsafeCheckpointError: It asks for more than tensors and plain values.
    """
    check_place(path)
    with open(path, 'rb') as file:
        head = file.read(300)
        file.seek(0)
        for start, what in _PRETENDERS:
            if head.lstrip()[:len(start)] == start:
                raise CheckpointError(f'{path}: {what}')
        if head[257:262] == b'ustar':
            raise CheckpointError(f'{path}: is a tar archive; unpack it, or save the weights again '
                                  'with a current PyTorch')
        try:
            if head[:4] == b'PK\x03\x04':
                return _check_zip(path, file, stubs)
            if head[:1] == b'\x80':
                return _check_old_format(path, file, stubs)
        except PickleError as error:
            raise _refused(path, error) from error
        except (zipfile.BadZipFile, OSError, EOFError, ValueError, LookupError, OverflowError,
                NotImplementedError) as error:
            raise _damaged(path, error) from error
    raise CheckpointError(f'{path}: is not a PyTorch checkpoint'
                          f'{"; it is text" if _is_text(head) else ""}.{siblings(path)}')


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode('utf-8', 'strict' if len(head) < 300 else 'ignore')
    except UnicodeDecodeError:
        return False
    return all(char.isprintable() or char.isspace() for char in text)


def _history_buffer_method(owner: type, name: str) -> Any:
    """Stand for ``getattr`` in a checkpoint, for the one thing mmengine uses it for.

    A history buffer holds its own statistics functions, which pickle writes as
    ``getattr(HistoryBuffer, 'mean')``. The real ``getattr`` would reach everything else too.

    Raises:
        pickle.UnpicklingError: On any other object or name.
    """
    if owner is not HistoryBuffer or name not in ('min', 'max', 'mean', 'current'):
        raise pickle.UnpicklingError(f'Unsupported operand: getattr of {owner!r}, {name!r}')
    return getattr(owner, name)


def _training_types() -> list[Any]:
    """What mmengine puts beside the weights, for ``torch.serialization.safe_globals``.

    Upstream: open-mmlab/mmengine issue 1655 and pull request 1650.
    """
    reconstruct, scalar = np.empty(0).__reduce__()[0], np.float64(0).__reduce__()[0]
    allowed: list[Any] = [
        HistoryBuffer, np.ndarray, np.dtype,
        *(type(np.dtype(code)) for code in ('float64', 'float32', 'int64', 'int32', 'bool')),
        (_history_buffer_method, 'builtins.getattr')]
    # Under the names of numpy 1 and of numpy 2, so that a checkpoint moves between them.
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):
        allowed += [(reconstruct, f'{module}._reconstruct'), (scalar, f'{module}.scalar')]
    return allowed


def load(path: Path, map_location: Any, allowed: list[Any]) -> Any:
    """``torch.load(weights_only=True)`` of a checked file; any failure becomes a sentence.

    Args:
        path (Path): What :func:`check_file` let pass.
        map_location: As in :func:`torch.load`.
        allowed (list): For ``torch.serialization.safe_globals``.

    Raises:
        CheckpointError: It cannot be loaded.
    """
    try:
        with torch.serialization.safe_globals(allowed), warnings.catch_warnings():
            warnings.simplefilter('ignore')
            return torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        raise UnsafeCheckpointError(
            f'{path}: refused, because PyTorch calls it unsafe: '
            f'{str(error).splitlines()[0][:300]}') from error
    except Exception as error:  # whatever PyTorch or numpy make of a file that passed all checks
        reason = str(error).splitlines()[0][:300] if str(error) else ''
        raise _damaged(path, f'{type(error).__name__}: {reason}') from error


def tensors_in(content: Any, path: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor inside nested containers, with its place.

    Raises:
        CheckpointError: The containers hold themselves or are nested too deeply to be handled.
    """
    heights: dict[int, int | None] = {}  # None while a container is open
    todo: list[tuple[str, Any, int, bool]] = [('', content, 0, False)]
    while todo:
        place, value, depth, done = todo.pop()
        if isinstance(value, torch.Tensor):
            yield place, value
            continue
        children = _children(value)
        if done:
            heights[id(value)] = 1 + max((heights.get(id(child)) or 0 for _, child in children),
                                         default=0)
        elif id(value) not in heights and children and depth <= _MAX_DEPTH:
            heights[id(value)] = None
            todo.append((place, value, depth, True))
            todo += [(f'{place}.{key}'.lstrip('.'), child, depth + 1, False)
                     for key, child in children]
            continue
        if children and (heights.get(id(value)) or _MAX_DEPTH + 1) > _MAX_DEPTH:
            raise CheckpointError(f'{path}: is nested more than {_MAX_DEPTH} levels deep, or holds '
                                  'itself; no checkpoint needs that')


def _children(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, HistoryBuffer):
        value = vars(value)
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, (list, tuple)) else []


def check_finite(content: Any, path: Path) -> None:
    """Raise where tensors hold NaN or infinity.

    Raises:
        CheckpointError: Names the first of them.
    """
    odd, count = [], 0
    for place, tensor in tensors_in(content, path):
        count += 1
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            odd.append(place)
    if odd:
        raise CheckpointError(
            f'{path}: {len(odd)} of {count} tensors hold NaN or infinity (such as '
            f'{odd[0]}): the training went astray, or the file is damaged. Use an earlier '
            f'checkpoint.{siblings(path)}')


def _drop_code(checkpoint: Any, path: Path) -> None:
    """Take the texts of configs out of a checkpoint's meta.

    mmengine runs ``meta.config`` as Python when it resumes, and mmdet's inferencer ``meta.cfg``.
    What a run needs comes from the user's config alone.
    """
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    if isinstance(meta, dict) and meta.pop('config', None) is not None:
        print_log(f'{path}: `meta.config` is not read; settings come from your config alone',
                  logger='current', level=WARNING)
    if isinstance(meta, dict):
        meta.pop('cfg', None)


def _check_meta(checkpoint: Any, path: Path) -> None:
    """Raise where ``meta`` is no description; leave out colours and ids that belong to no class.

    Raises:
        CheckpointError: See there.
    """
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    known = meta.get('dataset_meta') if isinstance(meta, dict) else None
    if not isinstance(meta, (dict, type(None))) or not isinstance(known, (dict, type(None))):
        raise CheckpointError(f'{path}: its `meta` is no description of a model; the file is '
                              'damaged or was changed by hand')
    for key in list(known or ()):
        if not isinstance(key, str):
            del known[key]
        elif key.lower() in ('palette', 'category_ids'):
            size = 3 if key.lower() == 'palette' else 0
            if not (isinstance(known[key], (list, tuple)) and all(
                    _are_bytes(v) and len(v) == size if size else type(v) is int
                    for v in known[key])):
                del known[key]


def _are_bytes(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(
        isinstance(v, int) and 0 <= v <= 255 for v in value)


def read_checkpoint(filename: str | os.PathLike, map_location: Any = 'cpu') -> Any:
    """Load a local checkpoint: weights and plain values, whole, finite, and nothing that runs.

    Structure, checksums and everything that the file asks for are checked before PyTorch loads it
    with ``weights_only=True``, whatever the environment says; texts of configs are left out.

    Args:
        filename (str | os.PathLike): The file.
        map_location: As in :func:`torch.load`.

    Returns:
        The loaded object, in general a dict with ``state_dict`` and ``meta``.

    Raises:
        CheckpointError: The file is missing, damaged, or holds NaN.
        UnsafeCheckpointError: The file would run code on loading.
    """
    path = Path(filename).expanduser()
    check_file(path)
    checkpoint = load(path, map_location, _training_types())
    check_finite(checkpoint, path)
    _drop_code(checkpoint, path)
    _check_meta(checkpoint, path)
    return checkpoint
