"""Whose image is whose: found from the whole name and the folders, never guessed in silence.

A word for patient with a number (``p01``, ``case_3``, ``patient-7``) is the first thing to look
for. It is not enough: ``smith_p1.jpg`` to ``smith_p10.jpg`` are ten pictures of one person. So all
other groupings that the names offer are looked at as well: the folders, what stands before the
number, the words after it. Where dividing by the first would tear a group of another apart, nobody
but the user can tell which is meant.
"""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .convert.records import ConversionError
from .splitting import DEFAULT_PATTERN, patients_by_csv, patients_by_pattern, same_patient

PLAIN_FOLDERS = frozenset('''
    train training val valid validation test testing all data dataset image images img imgs jpg jpeg
    png tif tiff bmp frame frames label labels mask masks ann annotations raw original'''.split())
"""Folders, lower case, that tell nothing about patients."""

PLAIN_WORDS = PLAIN_FOLDERS | frozenset('''
    left right lower upper top bottom front back before after pre post first last axial sagittal
    coronal lateral ap pa slice scan view pic picture photo video crop aug flip rot copy rgb gray
    grey color colour im fig t1 t2 ct mr mri us xray rf hash'''.split())
"""Words in names, lower case, that are no person's."""

SHOWN = 3
"""Examples in a message."""

SETTLE = ('--pattern REGEX with a group for the patient, --csv TABLE with columns file and '
          'patient, --by folder, --by image (which leaks), or --yes')


@dataclass(frozen=True)
class Grouping:
    """One way to tell patients apart.

    Attributes:
        rule: What it goes by, for people.
        patients: Patient of each image.
        names: The images' names.
        sure: It goes by a word for patient, or by what the user said.
    """

    rule: str
    patients: tuple[str, ...]
    names: tuple[str, ...]
    sure: bool = True

    def groups(self) -> dict[str, list[str]]:
        """Names by patient, in order of first appearance."""
        found: dict[str, list[str]] = defaultdict(list)
        for patient, name in zip(self.patients, self.names, strict=True):
            found[patient].append(name)
        return dict(found)

    def says_something(self) -> bool:
        """Whether there are several groups, and one of several images."""
        return 1 < len(set(self.patients)) < len(self.patients)

    def tears(self, other: Grouping) -> int:
        """How many groups of another grouping have images in several groups of this one."""
        seen: dict[str, set[str]] = defaultdict(set)
        for mine, theirs in zip(self.patients, other.patients, strict=True):
            if theirs:  # names that have no such word make no group
                seen[theirs].add(mine)
        return sum(len(groups) > 1 for groups in seen.values())

    def summary(self) -> str:
        """Rule, number of patients, images per patient and examples, as one line."""
        groups = self.groups()
        sizes = sorted(map(len, groups.values()))
        examples = '; '.join(
            f'{patient}: {", ".join(names[:SHOWN])}{", ..." if len(names) > SHOWN else ""}'
            for patient, names in list(groups.items())[:SHOWN])
        return (f'{len(groups)} patients by {self.rule}; {sizes[0]} to {sizes[-1]} images per '
                f'patient ({len(self.names) / len(groups):.1f} on average); {examples}')


class UnclearPatients(ConversionError):
    """The names do not settle whose image is whose.

    Attributes:
        candidates: The groupings that they offer, the likeliest first.
    """

    def __init__(self, message: str, candidates: Sequence[Grouping]) -> None:
        super().__init__(f'{message}. Settle it with {SETTLE}')
        self.candidates = list(candidates)


def add_patient_options(parser: argparse.ArgumentParser) -> None:
    """Options of every tool that has to know whose image is whose."""
    parser.add_argument('--by', choices=('patient', 'folder', 'image'), default='patient',
                        help='what stays together: the images of a patient, those of a folder, or '
                        'nothing (default: patient)')
    parser.add_argument('--pattern', metavar='REGEX',
                        help='regular expression with a group for the patient, searched in the '
                        'file names (default: p01, case_3, patient-7 and the like, refused where '
                        'folders or other words of the names are at odds with it)')
    parser.add_argument('--csv', type=Path, metavar='FILE',
                        help='table with columns file and patient, instead of --pattern')
    parser.add_argument('--yes', action='store_true',
                        help='take the likeliest patients where the names are at odds')


def grouping_of(args: argparse.Namespace, names: Sequence[str]) -> Grouping | None:
    """Patients as the options of :func:`add_patient_options` want them.

    Args:
        args: The options.
        names: Paths with forward slashes.

    Returns:
        The grouping; None for ``--by image`` where the names tell none.

    Raises:
        ConversionError: a table or pattern does not fit the names, or they settle nothing.
    """
    if args.csv is not None:
        return Grouping(f'the table {args.csv}', tuple(patients_by_csv(names, args.csv)),
                        tuple(names))
    if args.pattern is not None:
        return Grouping(f'the pattern {args.pattern!r}',
                        tuple(patients_by_pattern(names, args.pattern)), tuple(names))
    if args.by == 'folder':
        return by_folder(names)
    try:
        return replace(find_grouping(names, args.yes), sure=True)
    except UnclearPatients:
        if args.by == 'image':
            return None
        raise


def by_folder(names: Sequence[str]) -> Grouping:
    """Patients by the folders, those of subsets and the like aside.

    Raises:
        ConversionError: an image lies in no such folder.
    """
    folders = ['/'.join(_folders(name)) for name in names]
    bare = [name for name, folder in zip(names, folders, strict=True) if not folder]
    if bare:
        raise ConversionError(f'{bare[0]}: lies in no folder of a patient ({len(bare)} of '
                              f'{len(names)} names), so --by folder tells nothing')
    return Grouping('the folder', tuple(folders), tuple(names))


def find_grouping(names: Sequence[str], yes: bool = False) -> Grouping:
    """Patients by what the names offer.

    Args:
        names: Paths with forward slashes.
        yes: Take the likeliest grouping where they are at odds.

    Raises:
        UnclearPatients: no name, or not every name, tells a patient; or dividing by patients
            would tear a group of another kind (same folder, same word) apart.
    """
    candidates = _candidates(names)
    if yes and candidates:
        return candidates[0]
    known = [item for item in candidates if item.sure]
    others = [item for item in candidates if item.says_something()]
    if not known:
        lacking = [name for name in names if not re.search(DEFAULT_PATTERN, name)]
        offers = ''.join(f'; {_offer(item)}' for item in others)
        raise UnclearPatients(
            f'{lacking[0]}: no patient in the file name ({len(lacking)} of {len(names)} names have '
            f'no p01, case_3, patient-7 or the like){offers}', others)
    first = known[0]
    at_odds = [item for item in candidates[1:] if item.says_something() and first.tears(item)]
    if at_odds:
        raise UnclearPatients(
            'the names tell patients in ways that are at odds: '
            + '; '.join(_offer(item) for item in (first, *at_odds)), [first, *at_odds])
    return first


def _offer(item: Grouping) -> str:
    patient, names = next(iter(item.groups().items()))
    return (f'{len(set(item.patients))} groups by {item.rule} ({patient}: '
            f'{", ".join(names[:SHOWN])}{", ..." if len(names) > SHOWN else ""})')


def _candidates(names: Sequence[str]) -> list[Grouping]:
    """Every grouping that the names offer, the likeliest first."""
    names = tuple(names)
    found = [list(re.finditer(DEFAULT_PATTERN, name)) for name in names]
    spelling: dict[str, str] = {}

    def grouping(rule: str, keys: Sequence[str]) -> Grouping:
        return Grouping(rule, tuple(spelling.setdefault(f'{rule}:{same_patient(key)}', key)
                                    for key in keys), names, rule.startswith('the number'))

    if all(found):
        items = [grouping('the number after the word for patient', [m[0][1] for m in found])]
        if any(len(matches) > 1 for matches in found):
            items.append(grouping('the number after the last word for patient',
                                  [m[-1][1] for m in found]))
        items.append(grouping('the folder', [
            '/'.join(_folders(name, match[0].start(1)))
            for name, match in zip(names, found, strict=True)]))
        items.append(grouping('what stands before it in the file name', [
            _words(name[name.rfind('/') + 1:max(match[0].start(1), name.rfind('/') + 1)])
            for name, match in zip(names, found, strict=True)]))
        items.append(grouping('the words after it', [
            ' '.join(re.findall(r'[^\W\d_]{2,}', _words(_stem(name[match[-1].end(1):]))))
            for name, match in zip(names, found, strict=True)]))
        return items
    folders = ['/'.join(_folders(name)) for name in names]
    # the series: the name without the number of the image
    series = [re.sub(r'[\W_]*\d+$', '', _stem(name[name.rfind('/') + 1:])) for name in names]
    items = [grouping('the folder', folders), grouping('the name before its last number', series)]
    return [item for item in items if all(item.patients) and item.says_something()]


def _folders(name: str, end: int | None = None) -> list[str]:
    """Folders of a path that may mean something; those before position ``end`` alone."""
    parts = name[:name.rfind('/') + 1 if end is None else end].split('/')[:-1]
    return [part for part in parts if part.casefold() not in PLAIN_FOLDERS]


def _stem(name: str) -> str:
    return re.sub(r'\.\w{1,5}$', '', name)


def _words(text: str) -> str:
    """Words and numbers of a text, lower case, without those that are no person's."""
    words = re.split(r'[\W_]+', text.casefold())
    return ' '.join(word for word in words
                    if word and re.sub(r'\d+$', '', word) not in PLAIN_WORDS)
