"""Seconds from the command to the first overlay, as a viewer of the page waits for it.

    python -m medseg.live.start MODEL SOURCE [--python PYTHON] [--runs N]

Starts ``python -m medseg.live MODEL SOURCE`` in a process of its own, opens the page's WebSocket as
soon as the address is printed, and stops the clock at the first picture. ``--python`` names the
interpreter of another environment, such as one without PyTorch. The first run finds the disk's
cache cold, unless something has read the libraries before.
"""
from __future__ import annotations

import argparse
import datetime
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from medseg.errors import UserError
from medseg.runtime.processor import cpu_name
from medseg.tables import fill, markdown, require_place

#: Longest that is waited for a first picture, seconds.
PATIENCE_S = 60.0


def processor_seconds(process: subprocess.Popen) -> float:
    """Processor time that a running process has taken, seconds."""
    fields = Path(f'/proc/{process.pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def first_overlay(words: Sequence[str], python: str = sys.executable
                  ) -> tuple[float, float, float]:
    """Start the page and wait for its first picture.

    Args:
        words (Sequence[str]): Arguments of ``python -m medseg.live``.
        python (str): The interpreter.

    Returns:
        tuple[float, float, float]: Seconds until the address was printed, until the picture, and
        of processor time until the picture, to which other programs add little.

    Raises:
        UserError: The page did not start, or gave no picture.
    """
    from websockets.sync.client import connect
    began = time.perf_counter()
    process = subprocess.Popen([python, '-u', '-m', 'medseg.live', *words, '--port', '0'],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        line = process.stdout.readline()
        served = time.perf_counter() - began
        found = re.match(r'http://(\S+)/', line)
        if found is None:
            raise UserError(f'the page did not start: {line.strip() or "nothing was said"}')
        with connect(f'ws://{found[1]}/ws?viewer=start', max_size=None,
                     proxy=None) as socket:
            while time.perf_counter() - began < PATIENCE_S:
                if isinstance(socket.recv(timeout=PATIENCE_S), bytes):
                    shown = time.perf_counter() - began
                    return served, shown, processor_seconds(process)
        raise UserError(f'no picture within {PATIENCE_S:g} seconds')
    except TimeoutError as error:
        raise UserError(f'no picture within {PATIENCE_S:g} seconds') from error
    finally:
        process.terminate()
        process.communicate()


def main(argv=None) -> int:
    """Measure and print; returns 0, or 2 on wrong input."""
    parser = argparse.ArgumentParser(
        prog='python -m medseg.live.start', description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('model')
    parser.add_argument('source')
    parser.add_argument('--backend', default='auto', help='see python -m medseg.live --help')
    parser.add_argument('--python', default=sys.executable, help='interpreter (default: this one)')
    parser.add_argument('--runs', type=int, default=3, help='how often (default: 3)')
    parser.add_argument('--docs', type=Path, help='document whose table is filled')
    parser.add_argument('--table', default='live-start', help='name of the table there')
    args = parser.parse_args(argv)
    try:
        if args.docs:
            require_place(args.docs, args.table)
        load = os.getloadavg()[0]
        rows = [first_overlay([args.model, args.source, '--backend', args.backend], args.python)
                for _ in range(args.runs)]
    except UserError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    text = markdown(['run', 'page served, s', 'first overlay, s', 'processor time, s'], [
        [str(number), *(f'{value:.2f}' for value in row)]
        for number, row in enumerate(rows, start=1)])
    text += (f'\n\nMade {datetime.date.today()}; {cpu_name()}, {len(os.sched_getaffinity(0))} '
             f'cores, no GPU used; {Path(args.model).name}, backend {args.backend}; load of the '
             f'machine {load:.1f} at the beginning, {os.getloadavg()[0]:.1f} at the end.')
    print(text)
    if args.docs:
        fill(args.docs, args.table, text)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
