"""Files from strangers, opened so that one of them never costs the batch.

Names may be endless, no text, or links that go in circles; content may be nested without end,
packed a thousand times smaller than it is, or simply huge. Whatever it is becomes a ``RecordError``
that names the reason.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from medseg.errors import UserError

from .records import ConversionError, RecordError

MAX_BYTES = 64 << 20
"""Bytes of one annotation file; a JSON file takes up to thirty times as much memory."""

MAX_INFLATED = 64 << 20
"""Bytes that a packed bitmap may unpack to; it is a PNG, which is packed already."""

MAX_YAML = 1 << 20
"""Bytes of a YAML file; a list of class names has a few thousand."""


def is_file(path: Path) -> bool:
    """Whether a path is a file; False where the system cannot even look, as for endless names."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_dir(path: Path) -> bool:
    """Whether a path is a folder; False where the system cannot even look."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def real(path: Path) -> Path:
    """The path without links; links that go in circles stay."""
    return Path(os.path.realpath(path))


def files_below(folder: Path, suffixes: Iterable[str]) -> list[Path]:
    """Files of a folder and all folders in it, sorted; links that lead nowhere are none.

    Args:
        folder: The folder.
        suffixes: Endings in lower case, with the point.
    """
    suffixes = frozenset(suffixes)
    return sorted(path for path in folder.rglob('*')
                  if path.suffix.lower() in suffixes and is_file(path))


def read_bytes(path: Path, most: int = MAX_BYTES) -> bytes:
    """Content of an annotation file.

    Raises:
        RecordError: it cannot be read, or is too large.
    """
    try:
        with path.open('rb') as file:
            data = file.read(most + 1)
    except (OSError, ValueError) as error:
        raise RecordError('broken label file', f'cannot be read ({error})') from error
    if len(data) > most:
        raise RecordError('broken label file', f'has more than {most >> 20} MiB')
    return data


def read_json(path: Path) -> Any:
    """Content of a JSON annotation file.

    Raises:
        RecordError: it cannot be read, or is no JSON.
    """
    try:
        return json.loads(read_bytes(path).decode('utf-8-sig'))
    except ValueError as error:
        raise RecordError('broken label file', f'is not JSON ({error})') from error
    except RecursionError as error:
        raise RecordError('broken label file', 'is nested too deeply') from error


def read_text(path: Path) -> str:
    """Content of a text file with class names or paths.

    Raises:
        ConversionError: it cannot be read, is too large or is no UTF-8.
    """
    try:
        return read_bytes(path).decode('utf-8-sig')
    except (RecordError, ValueError) as error:
        raise ConversionError(f'{path}: cannot be read ({error})') from error


class _Loader(yaml.SafeLoader):
    """YAML without references: nine lines of them unpack to a billion entries."""

    def compose_node(self, parent, index):
        if self.check_event(yaml.events.AliasEvent):
            event = self.peek_event()
            raise yaml.composer.ComposerError(
                None, None, f'reference *{event.anchor}: write it out', event.start_mark)
        return super().compose_node(parent, index)


def read_yaml(path: Path) -> Any:
    """Content of a YAML file.

    Raises:
        ConversionError: it cannot be read, is too large, is no YAML, or holds references.
    """
    try:
        return yaml.load(read_bytes(path, MAX_YAML).decode('utf-8-sig'), _Loader)
    except (RecordError, ValueError, OverflowError, yaml.YAMLError) as error:
        raise ConversionError(f'{path}: cannot be read ({error})') from error
    except RecursionError as error:
        raise ConversionError(f'{path}: is nested too deeply') from error


def from_base64(text: Any, what: str) -> bytes:
    """Bytes behind base64 text.

    Raises:
        RecordError: it is none; of kind ``broken image``.
    """
    try:
        return base64.b64decode(text, validate=False)
    except (binascii.Error, TypeError, ValueError) as error:
        raise RecordError('broken image', f'{what} is not base64 ({error})') from error


def inflate(data: bytes) -> bytes:
    """Unpacks zlib data.

    Raises:
        RecordError: it is none, or unpacks to more than MAX_INFLATED bytes.
    """
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(data, MAX_INFLATED)
    except zlib.error as error:
        raise RecordError('broken record', f'its bitmap cannot be unpacked ({error})') from error
    if stream.unconsumed_tail:
        raise RecordError('broken record', 'its bitmap unpacks to more than '
                          f'{MAX_INFLATED >> 20} MiB')
    return content


def scalar_names(values: Iterable[Any], path: Path) -> list[str]:
    """Class names of a file, which may write numbers for names.

    Raises:
        UserError: one is a list, a mapping or nothing.
    """
    names = []
    for number, value in enumerate(values):
        if not isinstance(value, (str, int, float)) or isinstance(value, bool):
            raise UserError(f'{path}: class name {number} is a {type(value).__name__}, not text')
        names.append(str(value))
    return names
