"""Where an ONNX file wants to read numbers from, found without opening it in a backend.

Tensors may lie in files beside the model (``external_data``), and backends follow any path that is
written there. An ONNX file is a protocol buffer; no package that the runtime stands on reads those,
so the few messages that can hold a tensor are walked here.
"""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

#: Messages by name: the fields that lead on to a tensor, and where to. See ``onnx.proto``.
_FIELDS: dict[str, dict[int, str]] = {
    'model': {7: 'graph', 20: 'training', 25: 'function'},
    'training': {1: 'graph', 2: 'graph'},
    'function': {7: 'node', 11: 'attribute'},
    'graph': {1: 'node', 5: 'tensor', 15: 'sparse'},
    'node': {5: 'attribute'},
    'attribute': {5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse'},
    'sparse': {1: 'tensor', 2: 'tensor'},
    'tensor': {13: 'entry'},
}
_KEY, _VALUE = 1, 2  # fields of an entry


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number of variable length, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError('a number has no end')


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """(number, content) of the length-delimited fields of a message."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == 0:
            _, at = _varint(data, at)
        elif kind == 2:
            size, at = _varint(data, at)
            if at + size > len(data):
                raise ValueError('a field ends behind the file')
            yield tag >> 3, data[at:at + size]
            at += size
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError(f'a field of the unknown kind {kind}')


def external_files(data: bytes) -> list[str]:
    """Paths of files that an ONNX file wants to read, as they are written in it.

    Args:
        data (bytes): The file.

    Raises:
        ValueError: It is no protocol buffer.
    """
    found, todo = [], [('model', memoryview(data))]
    try:
        while todo:
            name, content = todo.pop()
            if name != 'entry':
                todo += [(_FIELDS[name][number], part) for number, part in _fields(content)
                         if number in _FIELDS[name]]
                continue
            parts = list(_fields(content))
            # Of a field that comes twice backends take the last; whatever they take is checked.
            if any(number == _KEY and bytes(part) == b'location' for number, part in parts):
                found += [bytes(part).decode('utf-8', 'surrogateescape')
                          for number, part in parts if number == _VALUE]
    except IndexError as error:
        raise ValueError('it is cut off') from error
    return found


def check_external_files(path: Path) -> str | None:
    """Why the files that an ONNX file names must not be read; None where they may.

    They have to be regular files in the model's own folder or below it; links count as what they
    lead to.

    Args:
        path (Path): The ``.onnx`` file.

    Raises:
        ValueError: The file is damaged.
    """
    folder = path.parent.resolve()
    for name in external_files(path.read_bytes()):
        parts = Path(name).parts
        if (not parts or Path(name).is_absolute() or PureWindowsPath(name).anchor
                or '..' in parts or '\0' in name or '\\' in name):
            return f'wants to read {name!r}, which is outside its folder'
        target = (path.parent / name).resolve()
        if folder not in target.parents:
            return f'wants to read {name!r}, a link to {target}, which is outside its folder'
        if not target.is_file():
            return f'keeps numbers in {name!r}, which is not there'
    return None
