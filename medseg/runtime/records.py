"""Predictions on their way to disk: compressed run lengths, one JSON line a record as it comes.

Memory stays flat however long a video is, and what was written before a kill can be read: lines
that are whole, one after another.
"""
from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

#: Groups of five bits that a run length may take; 7 hold every image OpenCV can.
_GROUPS = 7


def run_lengths(mask: np.ndarray) -> np.ndarray:
    """COCO's run lengths of a bool mask (H, W): int64, column by column, zeros first.

    Only the rows and columns that the mask occupies are looked at.
    """
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return np.array([height * width])
    top, left = rows[0], columns[0]
    window = mask[top:rows[-1] + 1, left:columns[-1] + 1]
    padded = np.zeros((window.shape[1], window.shape[0] + 2), np.int8)
    padded[:, 1:-1] = window.T
    change = np.diff(padded, axis=1)
    ends = []
    for sign in (1, -1):
        column, row = np.nonzero(change == sign)
        ends.append((left + column) * height + top + row)
    bounds = np.stack(ends, 1).reshape(-1)
    # A run that reaches the lower border goes on at the top of the next column.
    inner = bounds[1:-1].reshape(-1, 2)
    inner = inner[inner[:, 0] != inner[:, 1]].reshape(-1)
    lengths = np.diff(np.concatenate([[0], bounds[:1], inner, bounds[-1:], [height * width]]))
    return lengths[:-1] if lengths[-1] == 0 else lengths


def encode_mask(mask: np.ndarray) -> dict[str, Any]:
    """A bool mask (H, W) as COCO's compressed run lengths: ``size`` and the string ``counts``."""
    rest = run_lengths(mask)
    rest[3:] -= rest[1:-2].copy()
    letters = np.zeros((len(rest), _GROUPS), np.uint8)
    used = np.zeros(letters.shape, bool)
    more = np.ones(len(rest), bool)
    for group in range(_GROUPS):
        used[:, group] = more
        bits = rest & 31
        rest >>= 5
        more = more & np.where(bits & 16, rest != -1, rest != 0)
        letters[:, group] = bits + 48 + 32 * more
    return {'size': list(mask.shape), 'counts': letters[used].tobytes().decode('ascii')}


def decode_mask(segmentation: Mapping[str, Any]) -> np.ndarray:
    """The bool mask (H, W) of what :func:`encode_mask` wrote."""
    height, width = segmentation['size']
    letters = np.frombuffer(segmentation['counts'].encode('ascii'), np.uint8).astype(np.int64) - 48
    last = np.flatnonzero(letters < 32)
    first = np.concatenate([[0], last[:-1] + 1])
    place = np.arange(len(letters)) - np.repeat(first, last - first + 1)
    lengths = np.add.reduceat((letters & 31) << (5 * place), first)
    lengths -= np.where(letters[last] & 16, 1 << (5 * (last - first + 1)), 0)
    for parity in (1, 2):  # each is a difference to the one before the last
        lengths[parity::2] = np.cumsum(lengths[parity::2])
    values = np.arange(len(lengths)) % 2 == 1
    return np.repeat(values, lengths).reshape(width, height).T


class RecordWriter:
    """Records of a run: JSON lines while it goes on, a JSON list when it is over.

    A context manager. Lines go to ``predictions.jsonl``; leaving the block, also by Ctrl-C, makes
    ``predictions.json`` of them, line by line, and removes them. After a kill the lines are there.

    Args:
        out (Path): Folder, made on entering the block.
        keep (bool): Write the records; they are only counted otherwise.

    Attributes:
        path (Path): ``predictions.json``.
        count (int): Records written.
    """

    def __init__(self, out: Path, keep: bool = True) -> None:
        self.keep = keep
        self.path, self.count = out / 'predictions.json', 0
        self.lines = out / 'predictions.jsonl'
        self._file = None

    def __enter__(self) -> RecordWriter:
        self.lines.parent.mkdir(parents=True, exist_ok=True)
        if self.keep:
            self._file = self.lines.open('w', encoding='utf-8')
        return self

    def write(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Append records; they are with the system when the call returns."""
        for record in records:
            self.count += 1
            if self.keep:
                self._file.write(json.dumps(record) + '\n')
        if self.keep:
            self._file.flush()

    def __exit__(self, kind, error, trace) -> None:
        if not self.keep:
            return
        self._file.close()
        if kind is None or issubclass(kind, KeyboardInterrupt):
            part = self.path.with_name(f'.{self.path.name}.{os.getpid()}.part')
            try:
                with self.lines.open(encoding='utf-8') as lines, part.open(
                        'w', encoding='utf-8') as target:
                    target.write('[')
                    for number, line in enumerate(lines):
                        target.write((',\n' if number else '') + line.rstrip('\n'))
                    target.write(']')
                os.replace(part, self.path)
            finally:
                part.unlink(missing_ok=True)
            self.lines.unlink()


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Records of a JSON Lines file; a last line that a kill cut off is left out."""
    with path.open(encoding='utf-8') as lines:
        for line in lines:
            if not line.endswith('\n'):
                return
            yield json.loads(line)
