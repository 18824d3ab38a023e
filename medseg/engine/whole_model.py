"""Read a PyTorch file that holds a pickled model, running nothing of what it carries.

Every name in the pickle that PyTorch does not trust gets a class of its own that only keeps what it
is given; nothing is imported or called. Module trees are then read from those records.
"""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint

from .checkpoint_file import CheckpointError, check_file, load

_MAX_MODULES, _MAX_DEPTH = 100_000, 100


class Record:
    """Stands for an object of a class, or the result of a function, that a pickle names.

    Attributes:
        origin (str): Dotted name in the pickle, such as ``torch.nn.modules.conv.Conv2d``.
        args (tuple): What it was called with.
        state: What its ``__dict__`` would be; empty where the pickle gives none.
    """

    origin = ''

    def __new__(cls, *args, **kwargs) -> Record:
        self = object.__new__(cls)
        self.args, self.state = args, {}
        return self

    def __init__(self, *args, **kwargs) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state


def read_whole_model(path: str | Path) -> Any:
    """What a file holds: tensors, containers and plain values, and :class:`Record` for the rest.

    Args:
        path (str | Path): File in PyTorch's zip format (1.6 and later).

    Raises:
        CheckpointError: It is missing, damaged, or of another format.
        UnsafeCheckpointError: It asks for something that only an attack needs.
    """
    path = Path(path)
    contents = check_file(path, stubs=True)
    try:
        names = set(get_unsafe_globals_in_checkpoint(path))
    except ValueError as error:
        raise CheckpointError(f'{path}: is not in PyTorch\'s zip format. Save it again with a '
                              'current PyTorch (1.6 or later), or download it again if it should '
                              'be') from error
    trusted = contents.unknown - names
    if trusted:  # PyTorch would make these, of any size
        raise CheckpointError(f'{path}: holds {min(trusted)}, which is not read here')
    return load(path, 'cpu', [(type('Record', (Record,), {'origin': name}), name)
                              for name in names])


def modules(root: Record, prefix: str = '') -> Iterator[tuple[str, Record]]:
    """Every module under a pickled ``nn.Module``, itself included, with its dotted name.

    Raises:
        CheckpointError: A module holds itself, or there are more of them than any network has.
    """
    todo, count = [(prefix, root)], 0
    while todo:
        name, module = todo.pop()
        count += 1
        if count > _MAX_MODULES or name.count('.') > _MAX_DEPTH:
            raise CheckpointError(f'its modules are nested without end ({name[:80]} ...)')
        yield name, module
        todo += [(f'{name}.{key}' if name else str(key), child)
                 for key, child in reversed(_members(module, '_modules'))
                 if isinstance(child, Record)]


def state_dict(root: Record) -> dict[str, Tensor]:
    """What ``state_dict()`` of a pickled ``nn.Module`` would give, in its order."""
    state = {}
    for prefix, module in modules(root):
        hidden = attribute(module, '_non_persistent_buffers_set')
        hidden = hidden if isinstance(hidden, set) else set()
        for key, value in [*_members(module, '_parameters'),
                           *(item for item in _members(module, '_buffers')
                             if item[0] not in hidden)]:
            if isinstance(value, Tensor):
                state[f'{prefix}.{key}' if prefix else str(key)] = value.detach()
    return state


def _state(module: Record) -> dict:
    """A record's ``__dict__``; objects with slots give a pair of which it is the first."""
    state = module.state[0] if isinstance(module.state, tuple) and module.state else module.state
    return state if isinstance(state, dict) else {}


def _members(module: Record, kind: str) -> list[tuple[str, Any]]:
    """Parameters, buffers or children of a pickled ``nn.Module``."""
    members = _state(module).get(kind)
    return list(members.items()) if isinstance(members, dict) else []


def attribute(module: Record, name: str, default: Any = None) -> Any:
    """A plain attribute of a pickled object."""
    return _state(module).get(name, default)
