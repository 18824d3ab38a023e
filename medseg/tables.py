"""Tables for people: Markdown, plain text, and their places in documents."""
from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from medseg.errors import UserError
from medseg.io import write_text


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """A Markdown table.

    Args:
        header (Sequence[str]): Titles.
        rows (Sequence[Sequence[str]]): Cells, as many in each row as titles.
        words (int): How many of the first columns are text; the others are set to the right.
    """
    marks = ['---'] * words + ['---:'] * (len(header) - words)
    lines = [[cell.replace('|', '\\|').replace('\n', ' ') for cell in line]
             for line in (header, *rows)]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in (lines[0], marks, *lines[1:]))


def plain(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for a terminal; the first column is text, the others numbers."""
    return tabulate(rows, header, 'simple', disable_numparse=True,
                    colalign=['left', *['right'] * (len(header) - 1)])


def parse(text: str) -> list[tuple[list[str], list[list[str]]]]:
    """Header and rows of every Markdown table in a text, as :func:`markdown` writes them."""
    found: list[tuple[list[str], list[list[str]]]] = []
    before: list[str] | None = None
    for line in text.splitlines():
        if not line.startswith('|'):
            before = None
            continue
        cells = [cell.strip().replace('\\|', '|')
                 for cell in re.split(r'(?<!\\)\|', line.strip()[1:-1])]
        if all(re.fullmatch(r':?-+:?', cell) for cell in cells) and before is not None:
            found.append((before, []))
        elif before is not None and found:
            found[-1][1].append(cells)
        if before is None:
            before = cells
    return found


def content(document: Path, name: str) -> str:
    """What stands between a table's marks; see :func:`require_place`."""
    require_place(document, name)
    return _place(name).search(document.read_text(encoding='utf-8'))[0].split('\n', 1)[1].rsplit(
        '<!-- end of table -->', 1)[0]


def _place(name: str) -> re.Pattern:
    return re.compile(rf'(<!-- table: {re.escape(name)} -->\n).*?(<!-- end of table -->)', re.S)


def require_place(document: Path, name: str) -> None:
    """Raise unless a document has one place for a table; worth asking before hours of measuring.

    Args:
        document (Path): A text file with one ``<!-- table: NAME -->`` and an
            ``<!-- end of table -->`` behind it.
        name (str): NAME.

    Raises:
        UserError: The document is missing or has no place, or several, of that name.
    """
    if not document.is_file():
        raise UserError(f'{document}: no such document')
    count = len(_place(name).findall(document.read_text(encoding='utf-8')))
    if count != 1:
        raise UserError(f'{document}: needs one "<!-- table: {name} -->" with an '
                        f'"<!-- end of table -->" behind it, found {count}')


def fill(document: Path, name: str, table: str) -> None:
    """Put a table between its marks in a document; the rest stays.

    Args:
        document (Path): See :func:`require_place`.
        name (str): The table's name in the marks.
        table (str): The new content.

    Raises:
        UserError: As :func:`require_place` does.
    """
    require_place(document, name)
    write_text(document, _place(name).sub(lambda match: f'{match[1]}{table}\n{match[2]}',
                                          document.read_text(encoding='utf-8')))
