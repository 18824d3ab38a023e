"""What a COCO instance file must be: the one list of rules that the checker and training share.

``tools/data/check.py`` prints every fault. Training and metrics use what :func:`usable_content`
leaves, and say how many objects were left out and why. So what the checker passes, training takes,
and what training refuses, the checker finds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import cv2
import numpy as np

from medseg.errors import UserError, shown

from .convert.geometry import bounding_box, check_intricacy, polygons_area
from .convert.records import RecordError
from .convert.shape_rules import MIN_AREA
from .outlines import MAX_COORDINATE, check_image_size, is_number, rings_of, rle_mask

REFUSED, BROKEN, UNTRAINED, REMARK = 'refused', 'broken', 'untrained', 'remark'
"""What a fault leads to: the file is refused; the record is left out everywhere; the object is left
out of training, and counts as an object in metrics; nothing."""

FIELDS = {'images': ('id', 'file_name', 'width', 'height'),
          'annotations': ('id', 'image_id', 'category_id'),
          'categories': ('id', 'name')}
"""What every entry must have."""

_SINGLE = {'images': 'image', 'annotations': 'annotation', 'categories': 'category'}
_LONGEST_NAME = 255  # bytes of one part of a path, on every common file system


@dataclass(frozen=True)
class Fault:
    """One fault of a COCO file.

    Attributes:
        key: ``images``, ``annotations`` or ``categories``; empty for the file as a whole.
        number: Position of the entry in its list.
        record: ``image 3``, ``annotation 12``, ``images[4]``, or empty.
        kind: Short name of the fault.
        reason: The fault with its numbers.
        effect: One of ``REFUSED``, ``BROKEN``, ``UNTRAINED``, ``REMARK``.
    """

    key: str
    number: int
    record: str
    kind: str
    reason: str
    effect: str


def structure_faults(content: Any) -> list[Fault]:
    """Faults of lists, fields, ids, names and references; outlines and boxes are not looked at."""
    return _faults(content, None)


def find_faults(content: Any, tolerance: float = 1.0) -> list[Fault]:
    """All faults of a COCO file, whatever it holds.

    Args:
        content: What the JSON file held.
        tolerance: How many pixels outside the image an outline may reach without a remark.
    """
    return _faults(content, tolerance)


def _faults(content: Any, tolerance: float | None) -> list[Fault]:
    if not isinstance(content, dict):
        return [Fault('', 0, '', 'broken file', 'is not a COCO instance file', REFUSED)]
    faults = [*_structure(content), *_names(content)]
    bad = {(fault.key, fault.number) for fault in faults if fault.effect != REMARK}
    doubled = _doubled_ids(content)
    images, broken = {}, set(doubled)
    for number, entry in enumerate(_entries(content, 'images')):
        if not isinstance(entry, dict) or not _is_id(entry.get('id')):
            continue
        if ('images', number) in bad or entry['id'] in doubled:
            broken.add(entry['id'])
        else:
            images[entry['id']] = entry
    categories = {entry['id'] for entry in _entries(content, 'categories')
                  if isinstance(entry, dict) and _is_id(entry.get('id'))}
    annotations = [(number, entry) for number, entry in enumerate(_entries(content, 'annotations'))
                   if ('annotations', number) not in bad]
    # a set of boxes has no outlines at all; among outlines, one that is not there is a fault
    missing = UNTRAINED if any(entry.get('segmentation') for _, entry in annotations) else REMARK
    for number, entry in annotations:
        found = list(_references(entry, images, broken, categories))
        image = images.get(entry['image_id']) if _is_id(entry['image_id']) else None
        if image is not None and tolerance is not None:
            found += _geometry(entry, image['width'], image['height'], tolerance, missing)
        faults += [Fault('annotations', number, _record('annotations', number, entry), *fault)
                   for fault in found]
    return faults


def _doubled_ids(content: Mapping[str, Any]) -> set[int]:
    """Ids that several images have: nobody knows which of them an object belongs to."""
    counts = Counter(entry['id'] for entry in _entries(content, 'images')
                     if isinstance(entry, dict) and _is_id(entry.get('id')))
    return {image_id for image_id, count in counts.items() if count > 1}


def usable_content(content: Any, source: str, training: bool = True
                   ) -> tuple[dict[str, Any], Counter[str]]:
    """A COCO file without what is broken in it, complete in every field.

    Missing boxes and areas are taken from the outlines, ids of annotations are given anew where
    one occurs twice.

    Args:
        content: What the JSON file held; it is not changed.
        source: Name of the file, for messages.
        training: Also leave out the objects that training cannot use (no area, below one pixel).

    Returns:
        The content, and how many records were left out for which reason (``objects: zero area``).

    Raises:
        UserError: the file cannot be used at all.
    """
    faults = find_faults(content)
    refused = [fault for fault in faults if fault.effect == REFUSED]
    if refused:
        first = refused[0]
        place = f'{first.record}: ' if first.record else ''
        more = f' ({len(refused)} such faults)' if len(refused) > 1 else ''
        raise UserError(f'{source}: {place}{first.kind}: {first.reason}{more}; '
                        'tools/data/check.py lists every fault')
    out: dict[tuple[str, int], str] = {}
    for fault in faults:
        if fault.effect == BROKEN or (training and fault.effect == UNTRAINED):
            out.setdefault((fault.key, fault.number), fault.kind)
    doubled = _doubled_ids(content)
    images, left_out = [], Counter()
    for number, entry in enumerate(content['images']):
        kind = out.get(('images', number)) or (entry['id'] in doubled and 'duplicate id')
        if kind:
            left_out[f'images: {kind}'] += 1
        else:
            images.append(_whole_size(entry))
    if not images:
        raise UserError(left_out_line(source, left_out, 'no image can be used'))
    sizes = {entry['id']: (entry['height'], entry['width']) for entry in images}
    annotations = []
    for number, entry in enumerate(content['annotations']):
        kind = out.get(('annotations', number))
        if kind is None and entry['image_id'] not in sizes:
            kind = 'image left out'
        if kind:
            left_out[f'objects: {kind}'] += 1
        else:
            annotations.append(_complete(entry, *sizes[entry['image_id']]))
    if content['annotations'] and not annotations:
        raise UserError(left_out_line(source, left_out, 'no object can be used'))
    ids = [entry.get('id') for entry in annotations]
    if not all(map(_is_id, ids)) or len(set(ids)) != len(ids):
        annotations = [{**entry, 'id': number} for number, entry in enumerate(annotations, 1)]
    return {**content, 'images': images, 'annotations': annotations}, left_out


def left_out_line(source: str, left_out: Mapping[str, int], what: str = '') -> str:
    """What was left out of a file and why, as one line; empty where nothing was.

    Args:
        source: Name of the file.
        left_out: Counts as :func:`usable_content` gives them.
        what: Said first, before the counts.
    """
    if not left_out:
        return ''
    texts = [what] if what else []
    for name in ('images', 'objects'):
        kinds = {key.split(': ')[1]: count for key, count in left_out.items()
                 if key.startswith(name)}
        if kinds:
            texts.append(f'{sum(kinds.values())} {name} left out: '
                         + ', '.join(f'{count} x {kind}' for kind, count in kinds.items()))
    return f'{source}: {"; ".join(texts)} (tools/data/check.py lists them)'


def leads_out(name: str) -> bool:
    """Whether a relative path, in either spelling of slashes, leaves the folder it is below."""
    windows = PureWindowsPath(name)
    return bool(PurePosixPath(name).is_absolute() or windows.drive or windows.root
                or '..' in windows.parts)


def name_fault(name: Any) -> tuple[str, str] | None:
    """Kind and reason why something cannot be the ``file_name`` of an image; None where it can."""
    return _bad_name(name, True)


def _entries(content: Mapping[str, Any], key: str) -> list[Any]:
    entries = content.get(key)
    return entries if isinstance(entries, list) else []


def _is_id(value: Any) -> bool:
    return type(value) is int and abs(value) < 2 ** 63


def _record(key: str, number: int, entry: Any) -> str:
    if isinstance(entry, dict) and _is_id(entry.get('id')):
        return f'{_SINGLE[key]} {entry["id"]}'
    return f'{key}[{number}]'


def _structure(content: Mapping[str, Any]) -> Iterator[Fault]:
    """Lists that are there, entries with their fields, ids given once, names that are names."""
    for key in FIELDS:
        if not isinstance(content.get(key), list):
            yield Fault('', 0, '', 'broken file', f'no list of {key!r}', REFUSED)
    for key, fields in FIELDS.items():
        if content.get(key) == [] and key != 'annotations':
            yield Fault('', 0, '', 'broken file', f'no {key}', REFUSED)
        effect = REFUSED if key == 'categories' else BROKEN
        seen: dict[int, int] = {}
        for number, entry in enumerate(_entries(content, key)):
            missing = ([field for field in fields if field not in entry]
                       if isinstance(entry, dict) else list(fields))
            # an annotation's own id is good for messages alone
            if missing and (key != 'annotations' or missing != ['id']):
                yield Fault(key, number, f'{key}[{number}]', 'broken record',
                            f'has no {", ".join(missing)}', effect)
                continue
            if missing:
                yield Fault(key, number, f'{key}[{number}]', 'broken record', 'has no id', REMARK)
                continue
            if not _is_id(entry['id']):
                yield Fault(key, number, f'{key}[{number}]', 'broken id',
                            f'id {shown(entry["id"])} is not a whole number of 64 bits',
                            REMARK if key == 'annotations' else effect)
                continue
            first = seen.setdefault(entry['id'], number)
            if first != number:
                yield Fault(key, number, f'{key}[{number}]', 'duplicate id',
                            f'id {entry["id"]} is also that of {key}[{first}]',
                            REMARK if key == 'annotations' else effect)
            if key == 'images':
                try:
                    check_image_size(entry['height'], entry['width'])
                except RecordError as error:
                    yield Fault(key, number, _record(key, number, entry), error.kind, error.reason,
                                BROKEN)


def _names(content: Mapping[str, Any]) -> Iterator[Fault]:
    for key, field in (('images', 'file_name'), ('categories', 'name')):
        names: dict[str, Any] = {}
        for number, entry in enumerate(_entries(content, key)):
            if not isinstance(entry, dict) or field not in entry:
                continue
            name, record = entry[field], _record(key, number, entry)
            fault = _bad_name(name, key == 'images')
            if fault is not None:
                effect = REFUSED if key == 'categories' or fault[0] == 'leads out' else BROKEN
                yield Fault(key, number, record, *fault, effect)
                continue
            first = names.setdefault(name, entry)
            if first is not entry:
                yield Fault(key, number, record, f'duplicate {field}',
                            f'{shown(name)} is also that of {shown(first.get("id"))}', REMARK)


def _bad_name(name: Any, is_path: bool) -> tuple[str, str] | None:
    """Kind and reason of a name that cannot be one."""
    if not isinstance(name, str) or not name.strip():
        return 'broken name', f'{shown(name)} is no name'
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        return 'broken name', f'{shown(name)} is no text: it holds half a character'
    if not is_path:
        return None
    if b'\0' in encoded or max(map(len, encoded.split(b'/'))) > _LONGEST_NAME \
            or len(encoded) > 4000:
        return 'broken name', f'{shown(name)} is longer than a file name, or holds a zero byte'
    if leads_out(name):
        return 'leads out', (f'{shown(name)} leads out of the image folder; make it relative '
                             'to it')
    return None


def _references(entry: Mapping[str, Any], images: Mapping[int, Mapping], broken: set[int],
                categories: set[int]) -> Iterator[tuple[str, str, str]]:
    """Kind, reason and effect where an annotation refers to something that is not there.

    Args:
        entry: The annotation.
        images: Images that can be used, by id.
        broken: Ids of the others; their faults have been told.
        categories: Ids of the categories.
    """
    image_id, category_id = entry['image_id'], entry['category_id']
    if not _is_id(category_id) or category_id not in categories:
        yield 'unknown category', (f'category_id {shown(category_id)}, known are '
                                   f'{shown(sorted(categories))}'), BROKEN
    if not _is_id(image_id) or (image_id not in images and image_id not in broken):
        yield 'unknown image', f'image_id {shown(image_id)}', BROKEN


def _geometry(entry: Mapping[str, Any], width: float, height: float, tolerance: float,
              missing: str) -> Iterator[tuple[str, str, str]]:
    """Kind, reason and effect of what is wrong with the numbers of an annotation.

    Args:
        entry: The annotation.
        width: Width of its image in pixels.
        height: Height of its image in pixels.
        tolerance: How many pixels outside the image are still fine.
        missing: Effect of an outline that is not there.
    """
    crowd = entry.get('iscrowd', 0)
    if type(crowd) not in (int, bool) or crowd not in (0, 1):
        yield 'broken record', f'iscrowd is {shown(crowd)}, not 0 or 1', BROKEN
    area = entry.get('area', 1)
    if not is_number(area) or area <= MIN_AREA:
        yield 'zero area', f'area {shown(area)}', UNTRAINED if is_number(area) else BROKEN
    yield from _box(entry, width, height, tolerance)
    yield from _outline(entry, width, height, tolerance, missing)


def _box(entry: Mapping[str, Any], width: float, height: float,
         tolerance: float) -> Iterator[tuple[str, str, str]]:
    if 'bbox' not in entry:
        # an outline gives the box
        yield 'broken record', 'has no bbox', REMARK if entry.get('segmentation') else BROKEN
        return
    box = entry['bbox']
    if (not isinstance(box, (list, tuple)) or len(box) != 4 or not all(map(is_number, box))
            or max(map(abs, box)) > MAX_COORDINATE):
        yield 'broken box', f'{shown(box)} is not x, y, width, height in pixels', BROKEN
        return
    x, y, box_width, box_height = box
    if box_width <= 0 or box_height <= 0:
        yield 'zero area', f'box of {box_width:g}x{box_height:g}', UNTRAINED
        return
    if box_width < 1 or box_height < 1:
        yield 'under one pixel', f'box of {box_width:g}x{box_height:g}', UNTRAINED
    inside = min(x + box_width, width) > max(x, 0) and min(y + box_height, height) > max(y, 0)
    if not inside or _outside((x, y), (x + box_width, y + box_height), width, height, tolerance):
        yield 'box outside', (f'box {shown(box)} in an image of {width:g}x{height:g}'), \
            REMARK if inside else UNTRAINED


def _outline(entry: Mapping[str, Any], width: float, height: float,
             tolerance: float, missing: str) -> Iterator[tuple[str, str, str]]:
    if 'segmentation' not in entry:
        yield 'broken record', 'has no segmentation', missing
        return
    segmentation = entry['segmentation']
    if segmentation in (None, [], {}, ''):
        yield 'broken outline', 'segmentation is empty', missing
        return
    try:
        if isinstance(segmentation, dict):
            yield from _mask(segmentation, int(height), int(width))
            return
        if not isinstance(segmentation, list):
            raise RecordError('broken outline', f'segmentation is a {type(segmentation).__name__}')
        rings = rings_of(segmentation)
    except RecordError as error:
        yield error.kind, error.reason, BROKEN
        return
    points = np.concatenate(rings)
    low, high = points.min(axis=0), points.max(axis=0)
    if _outside(low, high, width, height, tolerance):
        yield 'outline outside', (
            f'outline spans x {low[0]:g} to {high[0]:g}, y {low[1]:g} to {high[1]:g} in an image '
            f'of {width:g}x{height:g}'), REMARK
    if polygons_area(rings) <= MIN_AREA:
        yield 'zero area', 'the outline encloses no area', UNTRAINED


def _mask(segmentation: Mapping[str, Any], height: int, width: int
          ) -> Iterator[tuple[str, str, str]]:
    mask = rle_mask(segmentation, height, width)
    if not mask.any():
        yield 'zero area', 'the mask is empty', UNTRAINED
    try:
        check_intricacy(mask)
    except RecordError as error:
        yield error.kind, error.reason, UNTRAINED


def _outside(low, high, width: float, height: float, tolerance: float) -> bool:
    return bool(min(low) < -tolerance or high[0] > width + tolerance
                or high[1] > height + tolerance)


def _whole_size(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {**entry, 'width': int(entry['width']), 'height': int(entry['height'])}


def _complete(entry: Mapping[str, Any], height: int, width: int) -> dict[str, Any]:
    """An annotation with ``iscrowd``, and with ``bbox`` and ``area`` where its outline gives them.
    """
    entry = {'iscrowd': 0, **entry}
    if 'bbox' in entry and 'area' in entry:
        return entry
    segmentation = entry.get('segmentation')
    if not segmentation:
        found = {'area': float(entry['bbox'][2] * entry['bbox'][3])}
    elif isinstance(segmentation, list):
        rings = rings_of(segmentation)
        found = {'bbox': list(bounding_box(rings)), 'area': polygons_area(rings)}
    else:
        mask = rle_mask(segmentation, height, width)
        left, top, box_width, box_height = cv2.boundingRect(mask)
        found = {'bbox': [left, top, box_width, box_height], 'area': int(np.count_nonzero(mask))}
    return {**found, **entry}
