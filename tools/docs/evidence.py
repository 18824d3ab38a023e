"""Write docs/evidence.md's table: claim, test, result, command.

    python tools/docs/evidence.py            # write it
    python tools/docs/evidence.py --check    # exit with 1 where it is not what it would write

Claims stand in docs/evidence.json. A result is a cell of a table of another page, which a named
command wrote: it is copied, never typed. A cell that is not there yet reads "not measured".
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from medseg.cli import reports_user_errors
from medseg.errors import UserError
from medseg.io import read_json
from medseg.tables import content, fill, markdown, parse

NAME = 'evidence'
KEYS = ('claim', 'by', 'test', 'results', 'verdict', 'command')
MISSING = 'not measured'


def cell(root: Path, place: Mapping[str, str]) -> str | None:
    """The text of a cell of a document's table; None where table, row or column is not there.

    Args:
        root (Path): Folder of the documents' paths.
        place (Mapping): ``document``, ``table``, ``row`` (first cell), ``column`` and, where
            several of its tables have that row, ``first`` (heading of the first column), where
            several columns have that heading, ``occurrence`` (from 1). Of rows with the same first
            cell the first that is filled counts.

    Raises:
        UserError: The document has no such place at all.
    """
    for header, lines in parse(content(root / place['document'], place['table'])):
        columns = [i for i, name in enumerate(header) if name == place['column']]
        number = place.get('occurrence', 1)
        if len(columns) < number or place.get('first', header[0]) != header[0]:
            continue
        found = (line[columns[number - 1]] for line in lines
                 if plain_link(line[0]) == place['row'])
        value = next(filter(None, found), None)
        if value is not None:
            return value
    return None


def plain_link(text: str) -> str:
    """A cell's text without the address of its link."""
    return text[1:].split('](', 1)[0] if text.startswith('[') and '](' in text else text


def rows(claims: Sequence[Mapping], root: Path, source: Path) -> list[list[str]]:
    """Rows of the table.

    Raises:
        UserError: A claim lacks a key, or names a document or table that is not there.
    """
    found = []
    for number, claim in enumerate(claims, start=1):
        missing = [key for key in KEYS if key not in claim]
        if missing:
            raise UserError(f'{source}: claim {number}: has no {missing[0]!r}; every claim has '
                            f'{", ".join(KEYS)}')
        values = [(place, cell(root, place)) for place in claim['results']]
        texts = [f'{place["label"]} {value or MISSING}' for place, value in values]
        pages = dict.fromkeys(place['document'] for place in claim['results'])
        links = ', '.join(f'[{Path(page).stem}]({page_link(page)})' for page in pages)
        measured = any(value for _, value in values)
        found.append([claim['claim'], claim['by'], claim['test'],
                      '; '.join(texts) or MISSING, claim['verdict'] if measured else 'open',
                      ' '.join(filter(None, (f'`{claim["command"]}`', links)))])
    return found


def page_link(page: str) -> str:
    """Address of a page as seen from docs/."""
    return page.removeprefix('docs/') if page.startswith('docs/') else f'../{page}'


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Write or check; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--claims', type=Path, default=Path('docs/evidence.json'))
    parser.add_argument('--document', type=Path, default=Path('docs/evidence.md'))
    parser.add_argument('--check', action='store_true', help='write nothing')
    args = parser.parse_args(argv)
    header = ['claim', 'by', 'test', 'result', 'holds', 'command']
    text = markdown(header, rows(read_json(args.claims), args.document.parent.parent, args.claims),
                    words=len(header))
    if args.check:
        same = content(args.document, NAME).strip() == text.strip()
        if not same:
            print(f'{args.document}: is not what python tools/docs/evidence.py writes now',
                  file=sys.stderr)
        return 0 if same else 1
    fill(args.document, NAME, text)
    print(text)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
