"""Figures of groups: by size, border contact, class, patient and brightness of the image."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from medseg.metrics.bootstrap import interval
from medseg.metrics.instance_matches import Matches
from medseg.metrics.strata import WHOLE, Strata

FEW_OBJECTS, FEW_UNITS = 20, 3
"""Fewer objects, or fewer patients (of a group that is no patient), make a small group."""
SIZES = {'small': 'up to 32² px', 'medium': '32² to 96² px', 'large': 'from 96² px'}
FIGURES = ('map', 'recall', 'dice')


@dataclass(frozen=True)
class Group:
    """Some objects in some images.

    Attributes:
        kind, name (str): Such as ``size`` and ``small``.
        part (str): Of :class:`Strata`, where objects are chosen.
        label (int | None): One class; None: all.
        images (np.ndarray): Which images belong to it, bool, (images,).
    """

    kind: str
    name: str
    part: str
    label: int | None
    images: np.ndarray


def tercile_names(brightness: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Dark, middle and bright images: a third each by their mean grey value, 0 to 255.

    Empty where there are fewer than three images or all are alike.
    """
    low, high = np.quantile(brightness, (1 / 3, 2 / 3)) if len(brightness) >= 3 else (0, 0)
    if not low < high:
        return []
    return [(f'dark, up to {low:.0f} of 255', brightness <= low),
            (f'middle, to {high:.0f}', (brightness > low) & (brightness <= high)),
            (f'bright, above {high:.0f}', brightness > high)]


def choose(names: Sequence[str], patients: Sequence[str] | None, brightness: np.ndarray
           ) -> Iterator[Group]:
    """All groups of a set, the whole set first.

    Args:
        names (Sequence[str]): Classes.
        patients (Sequence[str] | None): Patient of each image, if they are told.
        brightness (np.ndarray): Mean grey value of each image, (images,).
    """
    whole = np.ones(len(brightness), bool)
    yield Group('all', 'all', WHOLE, None, whole)
    for part, text in SIZES.items():
        yield Group('size', f'{part}, {text}', part, None, whole)
    yield Group('border', "at the image's edge", 'border', None, whole)
    yield Group('border', 'inside', 'inside', None, whole)
    for label, name in enumerate(names if len(names) > 1 else ()):
        yield Group('class', name, WHOLE, label, whole)
    for name in sorted(set(patients or ())):
        yield Group('patient', name, WHOLE, None, np.array(patients) == name)
    for name, chosen in tercile_names(brightness):
        yield Group('brightness', name, WHOLE, None, chosen)


def figures(group: Group, strata: Strata, names: Sequence[str], units: np.ndarray, lowest: float,
            weights: np.ndarray) -> dict:
    """AP, recall and Dice of a group with intervals.

    Args:
        group (Group): The group.
        strata (Strata): Matches of the set and its parts.
        names (Sequence[str]): Classes.
        units (np.ndarray): Patient of each image, or the image itself, (images,).
        lowest (float): Score from which detections count for recall and Dice.
        weights (np.ndarray): How often each resample draws each image, (resamples, images).

    Returns:
        dict: ``kind``, ``name``, ``images`` (with such objects), ``units``, ``objects``, ``few``
        (true of a small group), and by :data:`FIGURES` ``value`` (fraction or None) and
        ``interval`` (None for a single patient).
    """
    truths = strata.truths
    chosen = group.images[truths.images]
    if group.part != WHOLE:
        chosen = chosen & truths.parts[group.part]
    matches = strata.matches[group.part]
    if group.label is not None:
        chosen = chosen & (truths.labels == group.label)
        matches, names = matches[group.label:group.label + 1], names[group.label:group.label + 1]
    matches = tuple(found.of_images(group.images) for found in matches)
    own = Matches(matches, tuple(names), units, '')
    places = truths.images[chosen]
    count = np.bincount(places, minlength=len(units))
    sums = {'recall': np.bincount(places, truths.found(lowest)[chosen], len(units)),
            'dice': np.bincount(places, truths.dice(lowest)[chosen], len(units))}
    several = len(np.unique(units[count > 0]))
    row = dict(kind=group.kind, name=group.name, images=int((count > 0).sum()), units=several,
               objects=int(count.sum()),
               few=bool(count.sum() < FEW_OBJECTS
                        or (several < FEW_UNITS and group.kind != 'patient')))
    draws = weights * group.images if several > 1 else weights[:0]
    with np.errstate(invalid='ignore'):
        row['map'] = entry(own.figures(group.images.astype(int))['mAP'], np.array(
            [own.figures(w)['mAP'] for w in draws]))
        for name, values in sums.items():
            row[name] = entry(values.sum() / count.sum() if count.sum() else float('nan'),
                              (draws @ values) / (draws @ count))
    return row


def entry(value: float, drawn: np.ndarray | None = None) -> dict:
    """A figure and its interval, None where they are undefined."""
    ends = None if drawn is None or not len(drawn) else interval(drawn)
    return dict(value=None if np.isnan(value) else float(value), interval=ends and list(ends))
