"""Markdown tables, and their places in documents."""
from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others numbers."""
    lines = [header, ['---', *['---:'] * (len(header) - 1)], *rows]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines)


def fill(document: Path, name: str, table: str) -> None:
    """Put a table between its marks in a document; the rest stays.

    Args:
        document (Path): A text file with one ``<!-- table: NAME -->`` and an
            ``<!-- end of table -->`` behind it.
        name (str): NAME.
        table (str): The new content.

    Raises:
        ValueError: The document is missing or has no place, or several, of that name.
    """
    if not document.is_file():
        raise ValueError(f'{document}: no such document')
    text = document.read_text(encoding='utf-8')
    pattern = re.compile(rf'(<!-- table: {re.escape(name)} -->\n).*?(<!-- end of table -->)', re.S)
    new, count = pattern.subn(lambda match: f'{match[1]}{table}\n{match[2]}', text)
    if count != 1:
        raise ValueError(f'{document}: needs one "<!-- table: {name} -->" with an '
                         f'"<!-- end of table -->" behind it, found {count}')
    part = document.with_name(f'.{document.name}.{os.getpid()}.part')
    part.write_text(new, encoding='utf-8')
    part.replace(document)
