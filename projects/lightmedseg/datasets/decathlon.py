"""Lists of cases: the Decathlon's and nnU-Net's ``dataset.json``."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medseg.errors import UserError
from medseg.io import read_json

SUBSETS = ('training', 'validation', 'test')


@dataclass(frozen=True)
class Case:
    """One case: its name, its patient, its files (``label`` None where there is none)."""

    name: str
    patient: str
    image: Path
    label: Path | None


@dataclass(frozen=True)
class CaseList:
    """A subset of a list: names of the classes by label value, of the channels, and the cases."""

    classes: tuple[str, ...]
    channels: tuple[str, ...]
    cases: tuple[Case, ...]


def stem(path: str | Path) -> str:
    """File name without ``.nii``, ``.nii.gz`` or ``.nrrd``."""
    name = Path(path).name
    for suffix in ('.nii.gz', '.nii', '.nrrd'):
        if name.lower().endswith(suffix):
            return name[:-len(suffix)]
    return Path(name).stem


def _names(path: Path, content: dict, keys: tuple[str, ...]) -> tuple[str, ...]:
    """Names by number from ``{"0": "name"}`` (Decathlon) or ``{"name": 0}`` (nnU-Net)."""
    for key in keys:
        found = content.get(key)
        if not isinstance(found, dict) or not found:
            continue
        try:
            pairs = {int(k): str(v) for k, v in found.items()}
        except ValueError:
            pairs = {int(v): str(k) for k, v in found.items() if isinstance(v, int | str)}
        if sorted(pairs) != list(range(len(pairs))):
            raise UserError(f'{path}: {key} must number its names from 0 without gaps, found '
                            f'{sorted(pairs)}')
        return tuple(pairs[i] for i in range(len(pairs)))
    raise UserError(f'{path}: has no "{keys[0]}", such as {{"0": "background", "1": "tumour"}}')


def read_list(path: Path, subset: str) -> CaseList:
    """Cases of a subset.

    ``training``, ``validation`` and ``test`` hold ``{"image": ..., "label": ...}`` with paths
    relative to the file; ``patient`` may say whose case it is, else each case is a patient. The
    Decathlon's plain strings in ``test`` are cases without a label.

    Args:
        path: The JSON file.
        subset: One of :data:`SUBSETS`.

    Raises:
        UserError: The file is broken, names a missing file, lists a case twice, or has a patient
            in two subsets.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f'{path}: is no list of cases: an object with "labels" and "training"')
    if subset not in SUBSETS:
        raise UserError(f'{path}: subset {subset!r} is none of {", ".join(SUBSETS)}')
    classes = _names(path, content, ('labels',))
    channels = _names(path, content, ('modality', 'channel_names'))
    owner: dict[str, tuple[str, str]] = {}
    cases = []
    for name in SUBSETS:
        for index, entry in enumerate(content.get(name) or []):
            case = _case(path, name, index, entry)
            for kind, key in (('case', f'case {case.image}'), ('patient', case.patient)):
                where = owner.setdefault(key, (name, kind))[0]
                if where != name:
                    raise UserError(f'{path}: {kind} {case.name} of {name} is in {where} too; '
                                    'no patient may be in two subsets')
            if name == subset:
                cases.append(case)
    if not cases:
        raise UserError(f'{path}: lists no case under "{subset}"')
    images = [case.image for case in cases]
    twice = {image for image in images if images.count(image) > 1}
    if twice:
        raise UserError(f'{path}: {sorted(twice)[0]} is listed more than once under "{subset}"')
    for case in cases:
        for file in filter(None, (case.image, case.label)):
            if not file.is_file():
                raise UserError(f'{file}: no such file ({path}, "{subset}", case {case.name})')
    return CaseList(classes, channels, tuple(cases))


def _case(path: Path, subset: str, index: int, entry: object) -> Case:
    if isinstance(entry, str):
        entry = {'image': entry}
    if not isinstance(entry, dict) or not isinstance(entry.get('image'), str):
        raise UserError(f'{path}: "{subset}", entry {index}: needs "image" with a path')
    label = entry.get('label')
    name = stem(entry['image'])
    return Case(name, str(entry.get('patient', name)), path.parent / entry['image'],
                path.parent / label if isinstance(label, str) else None)
