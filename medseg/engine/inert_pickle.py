"""Read a PyTorch file that holds a pickled model, running nothing of what it carries.

A pickle names functions and classes and asks for them to be called. Here every such name, but for
two plain containers, becomes a class of its own that only keeps what it is given; nothing is
imported. Tensors are then rebuilt from those records, and module trees read from them.
"""
from __future__ import annotations

import collections
import io
import pickle
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from medseg.engine.checkpoint import CheckpointError, UnsafeCheckpointError

_DTYPES = {
    'torch.DoubleStorage': torch.float64, 'torch.FloatStorage': torch.float32,
    'torch.HalfStorage': torch.float16, 'torch.BFloat16Storage': torch.bfloat16,
    'torch.LongStorage': torch.int64, 'torch.IntStorage': torch.int32,
    'torch.ShortStorage': torch.int16, 'torch.CharStorage': torch.int8,
    'torch.ByteStorage': torch.uint8, 'torch.BoolStorage': torch.bool,
}
_CONTAINERS = {
    ('collections', 'OrderedDict'): collections.OrderedDict,
    ('builtins', 'set'): set, ('__builtin__', 'set'): set,
}
#: Nothing is ever called, whatever its name; but a file that asks for one of these is an attack,
#: and its user should hear of it.
_ATTACKS = {'os', 'posix', 'nt', 'sys', 'subprocess', 'pty', 'shutil', 'socket', 'runpy', 'ctypes',
            'importlib', 'webbrowser'}
_ATTACKING_BUILTINS = {'eval', 'exec', 'compile', 'open', '__import__', 'execfile'}


class Inert:
    """Stands for an object of a class, or the result of a function, that a pickle names.

    Attributes:
        origin (str): Dotted name in the pickle, such as ``torch.nn.modules.conv.Conv2d``.
        args (tuple): What it was called with.
        state: What its ``__dict__`` would be; empty where the pickle gives none.
        items (list): What was appended to it.
    """

    origin = ''

    def __new__(cls, *args, **kwargs) -> Inert:
        self = object.__new__(cls)
        self.args, self.state, self.items = args, {}, []
        return self

    def __init__(self, *args, **kwargs) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items.append((key, value))

    def append(self, value: Any) -> None:
        self.items.append(value)


@dataclass(eq=False)
class _Storage:
    """Numbers of one or more tensors: a member of the archive."""

    dtype_name: str
    key: str


class _InertUnpickler(pickle.Unpickler):
    """Unpickler that can build containers, plain values and :class:`Inert` records only."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(io.BytesIO(data))
        self.name = name
        self.kinds: dict[str, type] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _CONTAINERS:
            return _CONTAINERS[module, name]
        origin = f'{module}.{name}'
        builtin = module in ('builtins', '__builtin__', 'io', '_io')
        if module.split('.')[0] in _ATTACKS or builtin and name in _ATTACKING_BUILTINS:
            raise UnsafeCheckpointError(
                f'{self.name}: asks to call {origin}, which no model needs: it was made to attack '
                'whoever loads it. Nothing of it was run; delete it')
        if origin not in self.kinds:
            self.kinds[origin] = type('Inert', (Inert,), dict(origin=origin))
        return self.kinds[origin]

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key = pid[:3]
        if kind != 'storage' or not isinstance(key, str):
            raise pickle.UnpicklingError(f'unknown persistent record {kind!r}')
        return _Storage(getattr(dtype, 'origin', str(dtype)), key)


class InertFile:
    """A PyTorch file (zip format, PyTorch 1.6 and later), read without running anything.

    Args:
        path (str | Path): The file.

    Attributes:
        root: What was saved: containers, plain values, :class:`Inert` records.

    Raises:
        CheckpointError: It is missing, damaged, or of another format.
        UnsafeCheckpointError: It asks for something that only an attack needs.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise CheckpointError(f'{path}: no such file')
        if not zipfile.is_zipfile(self.path):
            raise CheckpointError(
                f'{path}: is not in PyTorch\'s zip format. Save it again with a current PyTorch '
                '(1.6 or later), or download it again if it should be')
        with zipfile.ZipFile(self.path) as archive:
            # PyTorch never compresses; a member that is could unpack to any size.
            members = {i.filename: i for i in archive.infolist()
                       if i.compress_type == zipfile.ZIP_STORED}
            found = [name for name in members if name.endswith('/data.pkl')]
            if len(found) != 1:
                raise CheckpointError(f'{path}: holds no PyTorch data (`data.pkl`)')
            prefix = found[0].removesuffix('data.pkl')
            order = f'{prefix}byteorder'
            if order in members and archive.read(order) != b'little':
                raise CheckpointError(f'{path}: was saved on a big-endian machine; save it again '
                                      'on a little-endian one')
            try:
                data = archive.read(found[0])
                self.root = _InertUnpickler(data, str(path)).load()
                self._storages = {name.removeprefix(f'{prefix}data/'): archive.read(name)
                                  for name in members if name.startswith(f'{prefix}data/')}
            except UnsafeCheckpointError:
                raise
            except (pickle.UnpicklingError, zipfile.BadZipFile, EOFError, ValueError, TypeError,
                    AttributeError, LookupError, OverflowError, RecursionError) as error:
                raise CheckpointError(f'{path}: is damaged ({error}); get it again') from error

    def tensor(self, value: Any) -> Tensor | None:
        """The tensor or parameter that a record describes; None if it describes none.

        Raises:
            CheckpointError: The record is damaged or of a kind that is not supported.
        """
        origin = getattr(value, 'origin', '')
        if origin in ('torch._utils._rebuild_parameter',
                      'torch._utils._rebuild_parameter_with_state'):
            return self.tensor(value.args[0]) if value.args else None
        if origin != 'torch._utils._rebuild_tensor_v2':
            return None
        try:
            storage, offset, size, stride = value.args[:4]
            numbers = torch.frombuffer(bytearray(self._storages[storage.key]),
                                       dtype=_DTYPES[storage.dtype_name])
            # as_strided refuses what lies outside of the storage.
            return numbers.as_strided(tuple(size), tuple(stride), offset).clone()
        except (ValueError, TypeError, AttributeError, LookupError, RuntimeError) as error:
            raise CheckpointError(f'{self.path}: holds a damaged tensor or one of an unknown kind '
                                  f'({error})') from error

    def modules(self, root: Inert, prefix: str = '') -> Iterator[tuple[str, Inert]]:
        """Every module under a pickled ``nn.Module``, itself included, with its dotted name."""
        yield prefix, root
        for name, child in _members(root, '_modules'):
            if isinstance(child, Inert):
                yield from self.modules(child, f'{prefix}.{name}' if prefix else str(name))

    def state_dict(self, root: Inert) -> dict[str, Tensor]:
        """What ``state_dict()`` of a pickled ``nn.Module`` would give, in its order."""
        state = {}
        for prefix, module in self.modules(root):
            hidden = attribute(module, '_non_persistent_buffers_set')
            hidden = hidden if isinstance(hidden, set) else set()
            for key, value in [*_members(module, '_parameters'),
                               *(item for item in _members(module, '_buffers')
                                 if item[0] not in hidden)]:
                tensor = self.tensor(value)
                if tensor is not None:
                    state[f'{prefix}.{key}' if prefix else str(key)] = tensor
        return state


def _state(module: Inert) -> dict:
    """A record's ``__dict__``; objects with slots give a pair of which it is the first."""
    state = module.state[0] if isinstance(module.state, tuple) else module.state
    return state if isinstance(state, dict) else {}


def _members(module: Inert, kind: str) -> list[tuple[str, Any]]:
    """Parameters, buffers or children of a pickled ``nn.Module``."""
    members = _state(module).get(kind)
    return list(members.items()) if isinstance(members, dict) else []


def attribute(module: Inert, name: str, default: Any = None) -> Any:
    """A plain attribute of a pickled object."""
    return _state(module).get(name, default)
