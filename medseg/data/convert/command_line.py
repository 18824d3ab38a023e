"""Options and messages that the converters share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from medseg.errors import UserError, file_trouble, printable

from .conversion_report import ConversionReport
from .images import LINK_MODES
from .records import ConversionError, Reading
from .writer import REPORT_NAME, convert


def converter_parser(description: str, epilog: str = '') -> argparse.ArgumentParser:
    """Parser with the arguments of every converter."""
    parser = argparse.ArgumentParser(
        description=description, epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('src', metavar='SRC', type=Path, help='directory of the data set')
    parser.add_argument('out', metavar='OUT', type=Path,
                        help='output directory: annotations/, images, ' + REPORT_NAME)
    parser.add_argument('--images', choices=LINK_MODES, default='copy',
                        help='how images get into OUT; none leaves them in SRC (default: copy)')
    parser.add_argument('--strict', action='store_true',
                        help='a record that cannot be used is an error: exit 1, nothing written')
    parser.add_argument('--skip-unknown', action='store_true',
                        help='leave out records whose label is no class; without it they are an '
                        'error')
    parser.add_argument('--overwrite', action='store_true',
                        help='allow an OUT that is not empty; files of the same name are replaced')
    parser.add_argument('--quiet', action='store_true', help='no progress bars')
    return parser


def run_converter(args: argparse.Namespace, program: str, source_format: str,
                  read: Callable[[], tuple[Iterable[Reading], Sequence[str]]],
                  prefixes: Callable[[], dict[str, Path]]) -> int:
    """Runs a conversion and prints its summary.

    Args:
        args: Arguments of :func:`converter_parser`.
        program: Name of the tool for messages.
        source_format: Name of the format for the report.
        read: Returns the reader and the class names.
        prefixes: Returns the image folder of each subset, for ``--images none``.

    Returns:
        0 when written; 1 when ``--strict`` or the content of SRC forbids it; 2 when SRC, OUT or
        an option cannot be used.
    """
    report = ConversionReport(source_format, args.src)
    try:
        if not args.src.exists():
            raise ConversionError(f'{args.src}: no such directory')
        readings, names = read()
        convert(readings, names, report, args.out, mode=args.images, strict=args.strict,
                skip_unknown=args.skip_unknown, overwrite=args.overwrite,
                quiet=args.quiet, prefixes=prefixes() if args.images == 'none' else None)
    except UserError as error:
        if report.skipped:
            print(report.summary(), file=sys.stderr)
        print(f'{program}: error: {error}', file=sys.stderr)
        return 1 if report.skipped else 2
    except OSError as error:
        trouble = file_trouble(error)
        if trouble is None:
            raise
        print(f'{program}: error: {printable(trouble)}', file=sys.stderr)
        return 2
    print(report.summary())
    print(f'written to {args.out} (report: {args.out / REPORT_NAME})')
    return 0
