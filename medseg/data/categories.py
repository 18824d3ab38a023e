"""Which category of a COCO file is which label."""
from __future__ import annotations

from collections.abc import Mapping, Sequence


def category_ids(categories: Mapping[int, Mapping], classes: Sequence[str], source: str
                 ) -> list[int]:
    """Category ids in the order of the classes, found by name.

    Args:
        categories (Mapping): COCO categories by id, each with ``name``.
        classes (Sequence[str]): Class names in the order of the labels.
        source (str): The file, for messages.

    Returns:
        list[int]: One id a class.

    Raises:
        ValueError: A class is not among the categories, or is there twice.
    """
    by_name: dict[str, list[int]] = {}
    for cat_id, category in categories.items():
        by_name.setdefault(category['name'], []).append(cat_id)
    missing = [name for name in classes if name not in by_name]
    if missing:
        raise ValueError(
            f"{source}: 'categories' has no {', '.join(map(repr, missing))}; it lists "
            f'{list(by_name)}. Every class has to be there, also those without instances, spelled '
            'as in the data set: convert with tools/data/ (which knows aliases), or '
            'set metainfo.classes')
    twice = [name for name in classes if len(by_name[name]) > 1]
    if twice:
        raise ValueError(f"{source}: 'categories' lists {', '.join(map(repr, twice))} more than "
                         'once; merge them')
    return [by_name[name][0] for name in classes]
