"""Which models are compared: lists from the command line, or tables of publications."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medseg.errors import UserError
from medseg.paths import shipped_root

from .references import TABLES, printed


@dataclass(frozen=True)
class Entry:
    """One model of a comparison.

    Attributes:
        name (str): Unique; label of the row and part of file names.
        title (str): What the table calls it, or ``name``.
        config (str): Path of its config.
        checkpoint (str | None): Its weights.
        paper (dict[str, float]): What is printed about it, in the units of
            :data:`.references.VALUE_UNITS`.
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


def entries(words: Sequence[str], suite: str | None = None) -> tuple[list[Entry], list[str]]:
    """Models named on the command line, and those of a suite before them.

    A checkpoint can be given for a model of the suite by naming its config again.

    Args:
        words (Sequence[str]): Configs, each perhaps followed by its checkpoint.
        suite (str, optional): Key of :data:`.references.TABLES`.

    Returns:
        tuple[list[Entry], list[str]]: The models, and rows of the suite without a config here.

    Raises:
        UserError: Nothing to compare, or words in the wrong order.
    """
    named, found, missing = pair_up(words), [], []
    if suite is not None:
        given = {Path(config).name: checkpoint for config, checkpoint in named}
        for row in TABLES[suite].rows:
            if row.config is None:
                missing.append(f'{row.name}: {row.note}'.rstrip(': '))
                continue
            path = shipped_root() / row.config
            config = row.config if Path(row.config).is_file() else str(path)
            found.append(Entry(Path(config).stem, row.name, config,
                               given.get(path.name), dict(row.values), row.note))
        listed = {Path(entry.config).name for entry in found}
        named = [(c, k) for c, k in named if Path(c).name not in listed]
    for config, checkpoint in named:
        stem = Path(config).stem
        values, note = printed(Path(config).name)
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
