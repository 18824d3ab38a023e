"""Which models are compared: lists from the command line, or the paper's tables."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medseg.errors import UserError

from .paper_tables import PAPER_TABLES

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Entry:
    """One model of a comparison.

    Attributes:
        name (str): Unique; label of the row and part of file names.
        title (str): What the paper calls it, or ``name``.
        config (str): Path of its config.
        checkpoint (str | None): Its weights.
        paper (dict[str, float]): What the paper prints, in the paper's units.
        note (str): What a reader must know.
    """

    name: str
    title: str
    config: str
    checkpoint: str | None = None
    paper: dict[str, float] = field(default_factory=dict)
    note: str = ''


def pair_up(words: Sequence[str]) -> list[tuple[str, str | None]]:
    """Configs with their checkpoints, from the words of the command line.

    Raises:
        UserError: A checkpoint without a config before it.
    """
    models: list[tuple[str, str | None]] = []
    for word in words:
        if not word.endswith(('.pth', '.pt')):
            models.append((word, None))
        elif models and models[-1][1] is None:
            models[-1] = (models[-1][0], word)
        else:
            raise UserError(f'{word}: a checkpoint follows the config that it belongs to')
    return models


def _paper_rows(config: str) -> tuple[dict[str, float], str]:
    """What the paper prints about a config, over all its tables; Table V's, where two differ."""
    values: dict[str, float] = {}
    notes: list[str] = []
    for key in ('table4', 'table2', 'table5'):
        for row in PAPER_TABLES[key].rows:
            if row.config and Path(row.config).name == Path(config).name:
                values.update(row.values)
                if row.note and key == 'table5':
                    notes = [row.note]
    return values, ' '.join(notes)


def entries(words: Sequence[str], suite: str | None = None) -> tuple[list[Entry], list[str]]:
    """Models named on the command line, and those of a suite before them.

    A checkpoint can be given for a model of the suite by naming its config again.

    Args:
        words (Sequence[str]): Configs, each perhaps followed by its checkpoint.
        suite (str, optional): Key of ``PAPER_TABLES``.

    Returns:
        tuple[list[Entry], list[str]]: The models, and rows of the paper without a config here.

    Raises:
        UserError: Nothing to compare, or words in the wrong order.
    """
    named, found, missing = pair_up(words), [], []
    if suite is not None:
        given = {Path(config).name: checkpoint for config, checkpoint in named}
        for row in PAPER_TABLES[suite].rows:
            if row.config is None:
                missing.append(f'{row.name}: {row.note}'.rstrip(': '))
                continue
            path = ROOT / row.config
            config = row.config if Path(row.config).is_file() else str(path)
            found.append(Entry(Path(config).stem, row.name, config,
                               given.get(path.name), dict(row.values), row.note))
        listed = {Path(entry.config).name for entry in found}
        named = [(c, k) for c, k in named if Path(c).name not in listed]
    for config, checkpoint in named:
        stem = Path(config).stem
        values, note = _paper_rows(config)
        found.append(Entry(stem, stem, config, checkpoint, values, note))
    if not found:
        raise UserError('name at least one config, or a --suite')
    names = [entry.name for entry in found]
    unique = []
    for index, entry in enumerate(found):
        turn = names[:index].count(entry.name)
        unique.append(Entry(f'{entry.name}-{turn + 1}', *_rest(entry)) if turn else entry)
    return unique, missing


def _rest(entry: Entry) -> tuple:
    return entry.title, entry.config, entry.checkpoint, entry.paper, entry.note
