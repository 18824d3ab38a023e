"""Class lists and aliases: which index a label of a source means."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medseg.errors import printable

from .files import is_file, read_json, read_text, read_yaml, scalar_names
from .records import UNKNOWN_CLASS, ConversionError, RecordError

PELD_CLASSES = ('adipose tissue', 'bone', 'ligamentum flavum', 'nerve')
"""Classes of PELD in the order of the paper's Table I."""

PELD_ALIASES: Mapping[str, Sequence[str]] = {
    'adipose tissue': ('adipose', 'adiposity', 'fat', 'fat tissue', 'fatty tissue', 'epidural fat'),
    'bone': ('bones', 'bone tissue', 'osseous tissue', 'lamina'),
    'ligamentum flavum': ('ligament', 'ligaments', 'flavum', 'yellow ligament', 'lf'),
    'nerve': ('nerves', 'nerve root', 'nerve tissue'),
}
"""Other spellings of PELD's classes; the paper alone writes adipose, adiposity and fat."""


def label_key(label: str) -> str:
    """Label without the differences that carry no meaning: case, hyphens, underscores, spaces."""
    return re.sub(r'[\s_\-]+', ' ', label).strip().casefold()


class ClassMap:
    """Finds the class index of a label.

    Args:
        names: Class names in order; index i becomes category id i + 1.
        aliases: ``{class name: [other labels]}``. Entries for classes that are not in ``names``
            are ignored, so that one alias file serves several class lists.

    Raises:
        ConversionError: a name is empty or given twice, or an alias means two classes.
    """

    def __init__(self, names: Sequence[str],
                 aliases: Mapping[str, Sequence[str]] | None = None) -> None:
        self.names = [str(name).strip() for name in names]
        if not self.names or not all(self.names):
            raise ConversionError(f'class names {list(names)!r}: give at least one, none empty')
        self._index: dict[str, int] = {}
        for index, name in enumerate(self.names):
            if label_key(name) in self._index:
                raise ConversionError(f'class {name!r} is given twice')
            self._index[label_key(name)] = index
        own = {label_key(name): index for index, name in enumerate(self.names)}
        for name, labels in (aliases or {}).items():
            if label_key(name) not in own:
                continue
            for label in labels:
                index = self._index.setdefault(label_key(label), own[label_key(name)])
                # a class of its own wins over its use as an alias of another class
                if index != own[label_key(name)] and label_key(label) not in own:
                    raise ConversionError(
                        f'alias {label!r} means both {self.names[index]!r} and {name!r}')

    def index(self, label: str) -> int:
        """Index of the class a label means.

        Raises:
            RecordError: the label is no class and no alias; the reason offers the nearest one.
        """
        found = self._index.get(label_key(label))
        if found is not None:
            return found
        near = difflib.get_close_matches(label_key(label), list(self._index), n=1, cutoff=0.6)
        hint = (f'did you mean {self.names[self._index[near[0]]]!r}?' if near
                else f'the classes are {", ".join(self.names)}')
        raise RecordError(UNKNOWN_CLASS, f'{label!r} is not a class; {hint}')


def merge_by_alias(names: Sequence[str],
                   aliases: Mapping[str, Sequence[str]]) -> tuple[ClassMap, list[int]]:
    """Classes of a source that numbers them, after aliasing.

    Args:
        names: The names behind the numbers 0, 1, ... of the source.
        aliases: ``{class name: [other labels]}``.

    Returns:
        The class map in order of first use, and for each number of the source its class index.
    """
    canonical = {label_key(label): name for name, labels in aliases.items() for label in labels}
    canonical.update({label_key(name): name for name in aliases})
    renamed = [canonical.get(label_key(name), str(name).strip()) for name in names]
    if len({label_key(name) for name in names}) != len(names):
        raise ConversionError(f'class names {list(names)!r}: one is given twice')
    kept = list(dict.fromkeys(renamed))
    return ClassMap(kept, aliases), [kept.index(name) for name in renamed]


def _load(path: Path) -> Any:
    try:
        return read_json(path) if path.suffix.lower() == '.json' else read_yaml(path)
    except RecordError as error:
        raise ConversionError(f'{path}: {error}') from error


def load_mapping(path: Path) -> dict[str, Any]:
    """A YAML or JSON file that holds a mapping, such as an Ultralytics data.yaml.

    Raises:
        ConversionError: the file cannot be read or holds something else.
    """
    content = _load(path)
    if not isinstance(content, dict):
        raise ConversionError(f'{path}: is not a mapping of names to values')
    return content


def load_class_names(given: Sequence[str]) -> list[str]:
    """Class names from a command line.

    Args:
        given: The names themselves, or one path: an Ultralytics ``data.yaml`` (its ``names``), a
            JSON or YAML list, or a text file with one name a line.

    Raises:
        ConversionError: the file cannot be read or holds no class names.
    """
    if len(given) != 1 or not is_file(Path(given[0])):
        if len(given) == 1 and Path(given[0]).suffix.lower() in {'.yaml', '.yml', '.txt', '.json'}:
            raise ConversionError(f'{given[0]}: no such file of class names')
        return [str(name) for name in given]
    path = Path(given[0])
    if path.suffix.lower() not in {'.yaml', '.yml', '.json'}:
        return [line.strip() for line in read_text(path).splitlines() if line.strip()]
    content = _load(path)
    names = content.get('names') if isinstance(content, dict) else content
    if isinstance(names, dict):
        if sorted(names, key=str) != sorted(range(len(names)), key=str):
            raise ConversionError(
                f'{path}: names are numbered {printable(repr(list(names)), 200)}; number them 0 to '
                f'{len(names) - 1}')
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names:
        raise ConversionError(f"{path}: no list of class names; expected a 'names' entry")
    return scalar_names(names, path)


def load_aliases(given: str | None) -> dict[str, list[str]]:
    """Aliases from a command line.

    Args:
        given: ``peld`` for the built-in ones, ``none`` or None for no aliases, or a JSON or YAML
            file holding ``{class: [alias, ...]}`` or ``{alias: class}``.

    Raises:
        ConversionError: the file cannot be read or is neither of the two forms.
    """
    if given is None or given == 'none':
        return {}
    if given == 'peld':
        return {name: list(labels) for name, labels in PELD_ALIASES.items()}
    content = _load(Path(given))
    if not isinstance(content, dict):
        raise ConversionError(f'{given}: expected {{class: [alias, ...]}} or {{alias: class}}')
    aliases: dict[str, list[str]] = {}
    for left, right in content.items():
        if isinstance(right, list):
            aliases.setdefault(str(left), []).extend(scalar_names(right, Path(given)))
        elif isinstance(right, str):
            aliases.setdefault(right, []).append(str(left))
        else:
            raise ConversionError(f'{given}: entry {left!r} is neither a class nor a list of them')
    return aliases
