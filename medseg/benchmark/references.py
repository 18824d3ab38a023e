"""What publications print about models, to stand beside what is measured; projects register it.

A module of a project, such as ``projects.lmsfa.paper``, calls :func:`register_tables` and
:func:`register_convention` when it is imported. The library knows no paper.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import nn

#: Every key that :attr:`ReferenceRow.values` may have, with its unit.
VALUE_UNITS = {
    'params_m': 'million', 'gflops': '10^9', 'fps': 'images/s', 'box_precision': '%',
    'box_recall': '%', 'box_map50': '%', 'box_map': '%', 'mask_precision': '%',
    'mask_recall': '%', 'mask_map50': '%', 'mask_map': '%',
}


@dataclass(frozen=True)
class ReferenceRow:
    """One row of a table.

    Args:
        name (str): The row's label in the publication.
        config (str, optional): Config of this model here, relative to the folder of ``configs/``;
            None where there is none.
        values (dict[str, float]): What is printed, by the keys of :data:`VALUE_UNITS`; empty for a
            variant that is described but not measured.
        note (str): What a reader of the comparison has to know.
    """

    name: str
    config: str | None
    values: dict[str, float] = field(default_factory=dict)
    note: str = ''


@dataclass(frozen=True)
class ReferenceTable:
    """A table of a publication; also a list of models to compare.

    Args:
        title (str): What the table compares.
        rows (tuple[ReferenceRow, ...]): Its rows, in the printed order.
    """

    title: str
    rows: tuple[ReferenceRow, ...]


@dataclass(frozen=True)
class Convention:
    """How a publication counts the operations of a kind of model.

    Args:
        height, width (int): Of the input in pixels.
        operations (Callable): From a model, a height and a width to the number.
        text (str): For readers.
    """

    height: int
    width: int
    operations: Callable[[nn.Module, int, int], int]
    text: str


#: Registered tables by name, in the order of registration.
TABLES: dict[str, ReferenceTable] = {}
_conventions: dict[str | None, Convention] = {}


def register_tables(tables: Mapping[str, ReferenceTable]) -> None:
    """Add tables; where two print the same figure of a config, the later one counts.

    Raises:
        ValueError: Another table has that name.
    """
    for name, table in tables.items():
        if TABLES.setdefault(name, table) != table:
            raise ValueError(f'reference table {name!r} is registered twice')


def register_convention(detector: str | None, convention: Convention) -> None:
    """Say how operations of a type of detector are counted; None: of all other types."""
    _conventions[detector] = convention


def convention_of(detector: str) -> Convention | None:
    """The registered convention for a type of detector; None where there is none."""
    return _conventions.get(detector, _conventions.get(None))


def printed(config_name: str) -> tuple[dict[str, float], str]:
    """What the tables print about a config of that file name, and the last note on it."""
    values: dict[str, float] = {}
    note = ''
    for table in TABLES.values():
        for row in table.rows:
            if row.values and row.config and row.config.split('/')[-1] == config_name:
                values.update(row.values)
                note = row.note or note
    return values, note
