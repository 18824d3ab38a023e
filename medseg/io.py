"""Files that are whole or absent, and JSON whose faults name the file."""
from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medseg.errors import UserError


@contextmanager
def replacing(path: str | os.PathLike, suffix: str = '.part') -> Iterator[Path]:
    """A path to write to; it becomes ``path`` when the block ends well, and is removed otherwise.

    Args:
        path (str | os.PathLike): Target; its folder is made. What is there stays until the end.
        suffix (str): Ending of the temporary name, for libraries that choose a format by it.

    Yields:
        Path: A hidden name beside the target, on the same file system.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f'.{path.name[:40]}.{secrets.token_hex(4)}{suffix}')
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_bytes(path: str | os.PathLike, data: bytes) -> None:
    """Write a binary file; see :func:`replacing`."""
    with replacing(path) as part:
        part.write_bytes(data)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a text file as UTF-8; see :func:`replacing`."""
    with replacing(path) as part:
        part.write_text(text, encoding='utf-8')


def write_json(path: str | os.PathLike, content: Any, indent: int | None = None) -> None:
    """Write JSON; see :func:`replacing`.

    Args:
        path (str | os.PathLike): Target.
        content (Any): What to write; NaN and infinity are refused, as they are no JSON.
        indent (int, optional): Spaces per level, for files that people read; None for one line.
    """
    with replacing(path) as part, open(part, 'w', encoding='utf-8') as file:
        json.dump(content, file, ensure_ascii=False, allow_nan=False, indent=indent)


def read_json(path: str | os.PathLike) -> Any:
    """Content of a JSON file, with or without a byte order mark.

    Raises:
        UserError: The file is missing, is no text or is no JSON.
    """
    try:
        return json.loads(Path(path).read_bytes().decode('utf-8-sig'))
    except OSError as error:
        raise UserError(f'{path}: cannot be read ({error.strerror})') from error
    except (ValueError, RecursionError) as error:
        raise UserError(f'{path}: is not JSON ({error})') from error
