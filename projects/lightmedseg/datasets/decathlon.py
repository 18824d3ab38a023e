"""Lists of cases: the Decathlon's and nnU-Net's ``dataset.json``."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from medseg.errors import UserError
from medseg.io import read_json

SUBSETS = ('training', 'validation', 'test')


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        name: Its name.
        patient: Whose it is.
        images: One file with all channels, or a file per channel in the list's order.
        label: Its label map, None where there is none.
    """

    name: str
    patient: str
    images: tuple[Path, ...]
    label: Path | None


@dataclass(frozen=True)
class CaseList:
    """A subset of a list.

    Attributes:
        classes: Names by label value.
        channels: Names of the channels.
        cases: The cases.
        label_map: Values in the files to values of ``classes``, where they differ.
    """

    classes: tuple[str, ...]
    channels: tuple[str, ...]
    cases: tuple[Case, ...]
    label_map: Mapping[int, int] | None = None


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


def read_list(path: Path, subset: str, check_files: bool = True) -> CaseList:
    """Cases of a subset.

    ``training``, ``validation`` and ``test`` hold ``{"image": ..., "label": ...}`` with paths
    relative to the file; ``image`` may be a list with a file per channel. ``patient`` may say
    whose case it is, else each case is a patient. The Decathlon's plain strings in ``test`` are
    cases without a label. ``label_map`` may give values of the files those of ``labels``.

    Args:
        path: The JSON file.
        subset: One of :data:`SUBSETS`.
        check_files: Whether the files must be there.

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
            for kind, key in (('case', f'case {case.images[0]}'), ('patient', case.patient)):
                where = owner.setdefault(key, (name, kind))[0]
                if where != name:
                    raise UserError(f'{path}: {kind} {case.name} of {name} is in {where} too; '
                                    'no patient may be in two subsets')
            if name == subset:
                cases.append(case)
    if not cases:
        raise UserError(f'{path}: lists no case under "{subset}"')
    images = [case.images for case in cases]
    twice = {image for image in images if images.count(image) > 1}
    if twice:
        raise UserError(f'{path}: {sorted(twice)[0][0]} is listed more than once under "{subset}"')
    for case in cases if check_files else ():
        for file in filter(None, (*case.images, case.label)):
            if not file.is_file():
                raise UserError(f'{file}: no such file ({path}, "{subset}", case {case.name})')
    return CaseList(classes, channels, tuple(cases), _label_map(path, content, len(classes)))


def _label_map(path: Path, content: dict, classes: int) -> dict[int, int] | None:
    found = content.get('label_map')
    if found is None:
        return None
    try:
        pairs = {int(k): int(v) for k, v in found.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise UserError(f'{path}: label_map must be like {{"4": 3}}, found {found!r}') from error
    outside = sorted(v for v in pairs.values() if not 0 <= v < classes)
    if outside:
        raise UserError(f'{path}: label_map gives {outside}, labels are 0 to {classes - 1}')
    return pairs


def _case(path: Path, subset: str, index: int, entry: object) -> Case:
    if isinstance(entry, str):
        entry = {'image': entry}
    images = entry.get('image') if isinstance(entry, dict) else None
    images = [images] if isinstance(images, str) else images
    if not isinstance(images, list) or not images or not all(isinstance(i, str) for i in images):
        raise UserError(f'{path}: "{subset}", entry {index}: needs "image" with a path, or with a '
                        'list of one per channel')
    label = entry.get('label')
    name = str(entry.get('name', stem(images[0])))
    return Case(name, str(entry.get('patient', name)), tuple(path.parent / i for i in images),
                path.parent / label if isinstance(label, str) else None)
