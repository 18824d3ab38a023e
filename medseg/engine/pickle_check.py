"""What a pickle of PyTorch's asks for, found out without doing any of it.

``torch.load(weights_only=True)`` runs no foreign code, but it builds whatever a pickle describes: a
``bytearray`` of a terabyte, a key whose hash takes years, a storage larger than the numbers that
the file has for it. Here the pickle's instructions are followed with records in the place of
objects, and anything that a checkpoint has no use for is refused before PyTorch sees the file.
"""
from __future__ import annotations

import math
import pickletools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from torch._utils import IMPORT_MAPPING, NAME_MAPPING

#: Instructions of the largest training checkpoints here are a tenth of this, which takes seconds.
MAX_INSTRUCTIONS = 1_000_000
HISTORY_BUFFER = 'mmengine.logging.history_buffer.HistoryBuffer'
_SCALARS = (str, bytes, int, float, type(None))
_MULTIARRAY = ('numpy.core.multiarray', 'numpy._core.multiarray')
#: Nothing is ever called, whatever its name; but a file that asks for one of these is an attack,
#: and its user should hear of it.
_ATTACKS = {'os', 'posix', 'nt', 'sys', 'subprocess', 'pty', 'shutil', 'socket', 'runpy', 'ctypes',
            'importlib', 'webbrowser'}
_ATTACKING_BUILTINS = {'eval', 'exec', 'compile', 'open', '__import__', 'execfile'}


class PickleError(ValueError):
    """The pickle is damaged, or describes what cannot be."""


class UnknownKindError(PickleError):
    """It holds something of PyTorch's that is not read here."""


class UnsafePickleError(PickleError):
    """It asks for something that could run a program; the message is its name."""


class _Name(str):
    """A function or class that the pickle names."""


@dataclass(eq=False)
class _Made:
    """What a call of ``origin`` would give."""

    origin: str
    args: tuple


@dataclass(eq=False)
class _Storage:
    """Numbers of one or more tensors."""

    size: int


@dataclass
class Contents:
    """What a pickle asks for.

    Attributes:
        storages (dict): Bytes of each storage by its key.
        unknown (set): Names that only :func:`examine` with ``stubs`` lets pass.
    """

    storages: dict[str, int] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)


def _need(condition: bool, what: str) -> None:
    if not condition:
        raise PickleError(what)


def _naturals(value: Any) -> bool:
    return isinstance(value, tuple) and all(type(v) is int and v >= 0 for v in value)


def _is_key(value: Any) -> bool:
    """Whether hashing a value is quick and cannot fail."""
    return isinstance(value, _SCALARS) or (
        isinstance(value, tuple) and len(value) < 64
        and all(isinstance(item, _SCALARS) for item in value))


def _pairs(*args: Any) -> None:
    _need(not args or (len(args) == 1 and isinstance(args[0], list) and all(
        isinstance(pair, (list, tuple)) and len(pair) == 2 and _is_key(pair[0])
        for pair in args[0])), 'an ordered dictionary is not made of pairs')


def _set(*args: Any) -> None:
    _need(len(args) <= 1 and all(isinstance(a, list) and all(map(_is_key, a)) for a in args),
          'a set is not made of plain values')


def _tensor(storage: Any = None, offset: Any = None, size: Any = None, stride: Any = None,
            *rest: Any) -> None:
    _need(isinstance(storage, _Storage) and type(offset) is int and offset >= 0
          and _naturals(size) and _naturals(stride) and len(size) == len(stride) <= 64,
          'a tensor is described in no known way')
    # A few numbers can pose as billions by a stride of 0.
    _need(math.prod(size) <= max(storage.size, 1), 'a tensor is larger than its numbers')


def _parameter(data: Any = None, *rest: Any) -> None:
    _need(isinstance(data, _Made) and data.origin.startswith('torch._utils._rebuild_'),
          'a parameter is no tensor')


def _getattr(owner: Any = None, name: Any = None, *rest: Any) -> None:
    if owner != HISTORY_BUFFER or name not in ('min', 'max', 'mean', 'current') or rest:
        raise UnsafePickleError(f'getattr of {owner!r}, {name!r}')


def _dtype(kind: Any = None, *rest: Any) -> None:
    _need(isinstance(kind, str) and bool(re.fullmatch(r'[<>|=]?[fiub]\d\d?', kind)),
          f'the type of numbers {kind!r} is unknown')


def _empty_array(kind: Any = None, shape: Any = None, code: Any = None) -> None:
    _need(kind == 'numpy.ndarray' and shape == (0,) and code in (b'b', 'b'),
          'an array is described in no known way')


def _encode(text: Any = None, encoding: Any = None) -> bytes:
    _need(isinstance(text, str) and encoding in ('latin1', 'latin-1'),
          f'the encoding {encoding!r} is unknown')
    try:
        return text.encode('latin1')
    except UnicodeEncodeError as error:
        raise PickleError(f'bytes are encoded wrongly ({error.reason})') from error


def _anything(*args: Any) -> None:
    """Arguments that the function itself checks quickly."""


def _never(*args: Any) -> None:
    raise PickleError('a type is called that is only ever named')


_DTYPES = {'DoubleStorage': 8, 'FloatStorage': 4, 'HalfStorage': 2, 'BFloat16Storage': 2,
           'LongStorage': 8, 'IntStorage': 4, 'ShortStorage': 2, 'CharStorage': 1,
           'ByteStorage': 1, 'BoolStorage': 1}
_STORAGES = {f'torch.{name}': size for name, size in _DTYPES.items()}
#: What may be called, and the check of its arguments. Functions that give a value give its record.
TORCH_CALLS: Mapping[str, Callable] = {
    'collections.OrderedDict': _pairs, 'builtins.set': _set, 'torch.Size': _anything,
    'torch.device': _anything, '_codecs.encode': _encode,
    'torch._utils._rebuild_tensor_v2': _tensor, 'torch._utils._rebuild_tensor': _tensor,
    'torch._utils._rebuild_parameter': _parameter,
    'torch._utils._rebuild_parameter_with_state': _parameter,
    **{name: _never for name in _STORAGES},
    **{f'torch.{name}': _never for name in (
        'float64', 'float32', 'float16', 'bfloat16', 'int64', 'int32', 'int16', 'int8', 'uint8',
        'bool')}}
#: What mmengine puts beside the weights.
TRAINING_CALLS: Mapping[str, Callable] = {
    HISTORY_BUFFER: _anything, 'builtins.getattr': _getattr, 'numpy.dtype': _dtype,
    'numpy.ndarray': _never, **{f'{module}._reconstruct': _empty_array for module in _MULTIARRAY},
    **{f'{module}.scalar': _anything for module in _MULTIARRAY}}


class _Follower:
    """Follows the instructions that ``torch.load(weights_only=True)`` knows."""

    def __init__(self, contents: Contents, stubs: bool) -> None:
        self.contents, self.stubs = contents, stubs
        self.known = TORCH_CALLS if stubs else {**TORCH_CALLS, **TRAINING_CALLS}
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def name(self, text: str) -> _Name:
        module, _, name = text.partition(' ')
        module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
        full = f'{module}.{name}'
        if full in self.known:
            return _Name(full)
        if module.startswith('torch') and not self.stubs:
            raise UnknownKindError(f'holds {full}')
        attack = module.split('.')[0] in _ATTACKS or (
            module in ('builtins', '__builtin__', 'io', '_io') and name in _ATTACKING_BUILTINS)
        if attack or not self.stubs:
            raise UnsafePickleError(full)
        self.contents.unknown.add(full)
        return _Name(full)

    def call(self, function: Any, args: Any) -> Any:
        if not isinstance(function, _Name):
            raise UnsafePickleError('what another call gives')
        _need(isinstance(args, tuple), 'a call has no list of arguments')
        try:
            value = self.known.get(function, _anything)(*args)
        except TypeError as error:
            raise PickleError(f'{function} has the wrong arguments') from error
        return _Made(function, args) if value is None else value

    def build(self, made: Any, state: Any) -> None:
        _need(isinstance(made, _Made), 'a state belongs to no object')
        if made.origin.endswith('._reconstruct') and made.origin in self.known:
            _need(isinstance(state, tuple) and len(state) == 5 and _naturals(state[1])
                  and isinstance(state[2], _Made) and state[2].origin == 'numpy.dtype'
                  and isinstance(state[4], bytes) and math.prod(state[1]) * int(
                      re.sub(r'\D', '', state[2].args[0])) == len(state[4]),
                  'an array is larger or smaller than its numbers')

    def storage(self, pid: Any) -> _Storage:
        _need(isinstance(pid, tuple) and len(pid) >= 5 and pid[0] in ('storage', b'storage')
              and pid[1] in _STORAGES and isinstance(pid[2], (str, bytes))
              and type(pid[4]) is int and pid[4] >= 0 and pid[5:] in ((), (None,)),
              'numbers of an unknown kind')
        key = pid[2].decode('ascii', 'replace') if isinstance(pid[2], bytes) else pid[2]
        size = pid[4] * _STORAGES[pid[1]]
        _need(self.contents.storages.setdefault(key, size) == size,
              'two tensors disagree about the size of their numbers')
        return _Storage(size)

    def set_items(self, items: list[Any]) -> None:
        _need(len(items) % 2 == 0, 'a dictionary has a key without a value')
        _need(all(_is_key(key) for key in items[::2]),
              'a dictionary has a key that is no text and no number')

    def pop_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def follow(self, code: str, arg: Any) -> None:
        """One instruction; ``code`` as :mod:`pickletools` calls it."""
        stack = self.stack
        if code in _CONSTANTS:
            stack.append(_CONSTANTS[code]())
        elif code in _LITERALS:
            stack.append(arg.encode('latin1') if code == 'SHORT_BINSTRING' else arg)
        elif code in ('BINPUT', 'LONG_BINPUT'):
            self.memo[arg] = stack[-1]
        elif code in ('BINGET', 'LONG_BINGET'):
            stack.append(self.memo[arg])
        elif code == 'GLOBAL':
            stack.append(self.name(arg))
        elif code in ('REDUCE', 'NEWOBJ'):
            args, function = stack.pop(), stack.pop()
            stack.append(self.call(function, args))
        elif code == 'BUILD':
            state = stack.pop()
            self.build(stack[-1], state)
        elif code == 'BINPERSID':
            stack.append(self.storage(stack.pop()))
        elif code == 'MARK':
            self.marks.append(stack)
            self.stack = []
        elif code == 'TUPLE':
            items = tuple(self.pop_mark())
            self.stack.append(items)
        elif code in ('TUPLE1', 'TUPLE2', 'TUPLE3'):
            count = int(code[-1])
            _need(len(stack) >= count, 'it ends in the middle')
            stack[-count:] = [tuple(stack[-count:])]
        elif code == 'APPEND':
            item = stack.pop()
            self.extend([item])
        elif code == 'APPENDS':
            self.extend(self.pop_mark())
        elif code == 'SETITEM':
            value, key = stack.pop(), stack.pop()
            self.set_items([key, value])
        elif code == 'SETITEMS':
            self.set_items(self.pop_mark())
        elif code != 'PROTO':
            raise PickleError(f'it holds the instruction {code}, which PyTorch does not write')

    def extend(self, items: list[Any]) -> None:
        _need(isinstance(self.stack[-1], list), 'it appends to what is no list')
        self.stack[-1].extend(items)


_CONSTANTS: Mapping[str, Callable] = {
    'NONE': lambda: None, 'NEWTRUE': lambda: True, 'NEWFALSE': lambda: False, 'EMPTY_TUPLE': tuple,
    'EMPTY_LIST': list, 'EMPTY_DICT': dict, 'EMPTY_SET': set}
_LITERALS = {'BININT', 'BININT1', 'BININT2', 'BINFLOAT', 'BINUNICODE', 'SHORT_BINSTRING', 'LONG1'}


def examine(stream: BinaryIO, contents: Contents, stubs: bool = False) -> Any:
    """Follow one pickle to its end.

    Args:
        stream (BinaryIO): Stands at its start; stands behind it afterwards.
        contents (Contents): Gets what the pickle asks for.
        stubs (bool): Let unknown names pass: the caller has stand-ins for them.

    Returns:
        The plain value that it holds; records in the place of anything else.

    Raises:
        PickleError: See there.
    """
    follower = _Follower(contents, stubs)
    try:
        for count, (opcode, arg, _) in enumerate(pickletools.genops(stream)):
            _need(count < MAX_INSTRUCTIONS, f'it has more than {MAX_INSTRUCTIONS} instructions')
            if opcode.name == 'STOP':
                break
            follower.follow(opcode.name, arg)
        _need(not follower.marks, 'it ends in the middle')
        return follower.stack.pop()
    except PickleError:
        raise
    except (LookupError, ValueError, AttributeError, OverflowError) as error:
        raise PickleError(f'its pickle cannot be followed ({type(error).__name__}: '
                          f'{str(error)[:120] or "no value"})') from error
