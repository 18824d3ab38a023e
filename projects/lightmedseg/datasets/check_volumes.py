"""Faults of volumes, case by case: what training would trip over, or learn wrongly from."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np

from medseg.data.findings import Finding
from medseg.errors import UserError

from .decathlon import SUBSETS, Case, CaseList, read_list
from .volume_file import Volume, read_volume

#: Affines may differ by this share of a voxel, as rounding in headers makes them.
AFFINE_TOLERANCE = 0.05


@dataclass(frozen=True)
class ListedCase:
    """A case with its subset and what its list says: label values that may occur, channels."""

    subset: str
    case: Case
    values: frozenset[int]
    channels: int


def listed_cases(path: Path) -> list[ListedCase]:
    """Cases of all subsets of a list.

    Raises:
        UserError: The list is broken; see :func:`.decathlon.read_list`.
    """
    found = []
    for subset in SUBSETS:
        try:
            content: CaseList = read_list(path, subset, check_files=False)
        except UserError as error:
            if f'under "{subset}"' in str(error) and subset != 'training':
                continue  # a list without validation or test is a list
            raise
        values = frozenset(content.label_map or range(len(content.classes)))
        found += [ListedCase(subset, case, values, len(content.channels))
                  for case in content.cases]
    return found


def check_case(listed: ListedCase) -> Iterator[Finding]:
    """Findings of one case; ``skipped`` ones make it unusable."""
    case = listed.case

    def finding(file: Path, kind: str, reason: str, skipped: bool = True) -> Finding:
        return Finding(str(file), f'case {case.name}', kind, reason, listed.subset,
                       skipped=skipped)

    parts = []
    for file in case.images:
        try:
            parts.append(read_volume(file))
        except UserError as error:
            yield finding(file, 'unreadable image', str(error))
    if len(parts) < len(case.images):
        return
    image = parts[0]
    for file, part in zip(case.images[1:], parts[1:], strict=True):
        if part.array.shape != image.array.shape:
            yield finding(file, 'shape mismatch', f'channel {part.array.shape}, first channel '
                          f'{image.array.shape}')
            return
        for kind, reason, skipped in compare_affines(part, image, 'channel'):
            yield finding(file, kind, reason, skipped)
    if len(parts) > 1:
        image = Volume(np.stack([part.array for part in parts], axis=-1), image.affine)
    yield from (finding(case.images[0], *found) for found in check_image(image, listed.channels))
    if case.label is None:
        return
    try:
        label = read_volume(case.label)
    except UserError as error:
        yield finding(case.label, 'unreadable label', str(error))
        return
    for kind, reason, skipped in check_label(label, image, listed.values):
        yield finding(case.label, kind, reason, skipped)


def check_image(image: Volume, channels: int) -> Iterator[tuple[str, str]]:
    """Kind and reason of each fault of an image."""
    found = image.array.shape[3] if image.array.ndim == 4 else 1
    if found != channels:
        yield 'wrong channels', f'{found} channels, the list names {channels}'
    if not np.isfinite(image.array).all():
        bad = np.count_nonzero(~np.isfinite(image.array))
        yield 'not finite', f'{bad} voxels are NaN or infinite'
        return
    planes = image.array.reshape(*image.array.shape[:3], -1)
    flat = [i for i in range(planes.shape[3]) if np.ptp(planes[..., i]) == 0]
    if len(flat) == planes.shape[3]:
        yield 'blank image', 'all voxels have one value'


def check_label(label: Volume, image: Volume, values: frozenset[int]
                ) -> Iterator[tuple[str, str, bool]]:
    """Kind, reason and whether the case is unusable, for each fault of a label map."""
    if label.array.ndim != 3:
        yield 'wrong label axes', f'shape {label.array.shape}; expected three axes', True
        return
    if label.array.shape != image.array.shape[:3]:
        yield ('shape mismatch',
               f'label {label.array.shape}, image {image.array.shape[:3]}', True)
        return
    yield from compare_affines(label, image, 'label')
    if not np.isfinite(label.array).all():
        yield 'not finite', 'labels are NaN or infinite', True
        return
    present = np.unique(label.array)
    whole = np.rint(present)
    unknown = [int(v) for v in whole if int(v) not in values]
    if (present != whole).any():
        odd = present[present != whole][0]
        yield ('fractional labels', f'value {odd:g}; resampled with interpolation? Use nearest '
               'neighbour', True)
    elif unknown:
        yield 'unknown labels', f'values {unknown[:5]}, the list names {sorted(values)}', True
    elif not present.any():
        yield 'empty label', 'no voxel is labelled', False


def compare_affines(label: Volume, image: Volume, what: str) -> Iterator[tuple[str, str, bool]]:
    """Whether two volumes of one shape lie in one place; ``what`` names the first."""
    corners = np.array(np.meshgrid(*([0, n - 1] for n in label.array.shape))).reshape(3, -1)
    corners = np.vstack([corners, np.ones(8)])
    apart = np.abs((label.affine - image.affine) @ corners)[:3].max()
    if apart <= AFFINE_TOLERANCE * image.spacing.min():
        return
    codes = [''.join(str(c) for c in nibabel.aff2axcodes(v.affine)) for v in (image, label)]
    if codes[0] != codes[1]:
        yield (f'flipped {what}', f'image axes are {codes[0]}, {what} axes {codes[1]}: one of the '
               'two is mirrored or turned', True)
    else:
        yield ('different affines', f'image and {what} lie up to {apart:.3g} mm apart', True)
