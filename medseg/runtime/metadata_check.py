"""What the description of an exported file may say: kinds, ranges, and how its parts agree."""
from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

#: More characters than any description has.
LONGEST = 4_000_000
MAX_CLASSES = 100_000
#: Pixels of an input: 8192 x 8192, which is 800 MB of float32.
MAX_PIXELS = 2 ** 26


def _number(value: Any, low: float = -math.inf, high: float = math.inf) -> bool:
    return (isinstance(value, (int, float)) and not isinstance(value, bool)
            and -1e30 < value < 1e30 and low <= value <= high)


def _whole(value: Any, low: int, high: int = 2 ** 31) -> bool:
    return type(value) is int and low <= value <= high


def _size(value: Any) -> bool:
    return (isinstance(value, list) and len(value) == 2 and all(_whole(v, 1) for v in value)
            and value[0] * value[1] <= MAX_PIXELS)


def _triple(value: Any, fine: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(fine, value))


def _names(value: Any) -> bool:
    return (isinstance(value, list) and 1 <= len(value) <= MAX_CLASSES
            and all(isinstance(v, str) and v.strip() for v in value)
            and len(set(value)) == len(value))


#: Each key's check and what it must be. Keys that a file may lack are in :data:`OPTIONAL`.
FIELDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    'classes': (_names, 'a list of different names'),
    'colors': (lambda v: isinstance(v, list) and all(
        _triple(c, lambda x: _whole(x, 0, 255)) for c in v), 'a list of RGB colours, 0 to 255'),
    'category_ids': (lambda v: isinstance(v, list) and all(_whole(i, -2 ** 53, 2 ** 53) for i in v)
                     and len(set(v)) == len(v), 'a list of different whole numbers'),
    'mean': (lambda v: _triple(v, _number), 'three numbers'),
    'std': (lambda v: _triple(v, lambda x: _number(x, 1e-12)), 'three numbers above 0'),
    'to_rgb': (lambda v: isinstance(v, bool), 'true or false'),
    'input_size': (lambda v: v is None or _size(v), 'null, or a height and a width above 0 of at '
                   f'most {MAX_PIXELS} pixels'),
    'size_divisor': (lambda v: _whole(v, 1, 4096), 'a whole number from 1 to 4096'),
    'keep_ratio': (lambda v: isinstance(v, bool), 'true or false'),
    'pad_value': (_number, 'a number'),
    'scale': (_size, f'a width and a height above 0 of at most {MAX_PIXELS} pixels'),
    'score_thr': (lambda v: _number(v, 0, 1), 'a number from 0 to 1'),
    'nms_iou': (lambda v: _number(v, 0, 1), 'a number from 0 to 1'),
    'nms_pre': (lambda v: _whole(v, -1), 'a whole number, or -1'),
    'nms_type': (lambda v: isinstance(v, str), 'a name'),
    'max_per_img': (lambda v: _whole(v, -1, 1_000_000), 'a whole number, or -1'),
    'mask_thr': (lambda v: _number(v, 1e-6, 1 - 1e-6), 'a number between 0 and 1'),
    'mask_resample': (lambda v: v in ('logits', 'probabilities'), '"logits" or "probabilities"'),
    'crop_masks': (lambda v: isinstance(v, bool), 'true or false'),
    'mask_stride': (lambda v: _whole(v, 1, 4096), 'a whole number from 1 to 4096'),
    'prototypes_last': (lambda v: isinstance(v, bool), 'true or false'),
}
#: Files of earlier releases lack some of them.
OPTIONAL = {'colors', 'category_ids', 'nms_type', 'mask_resample', 'crop_masks', 'mask_stride',
            'prototypes_last'}


def _refuse_constant(name: str) -> None:
    raise ValueError(f'{name} is no number')


def read(text: str) -> dict[str, Any]:
    """The JSON of a description.

    Raises:
        ValueError: It is no JSON object, or too long or too deep to be one of ours.
    """
    if len(text) > LONGEST:
        raise ValueError(f'it has {len(text)} characters')
    try:
        found = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError('it is nested too deeply') from error
    if not isinstance(found, dict):
        raise ValueError('it is no JSON object')
    return found


def problem(metadata: Mapping[str, Any]) -> str | None:
    """What is wrong with a description; None if nothing is.

    Keys that are not in :data:`FIELDS` are another release's, and pass.
    """
    for key, (fine, what) in FIELDS.items():
        if metadata.get(key) is None and key in OPTIONAL:
            continue
        if key not in metadata:
            return f'"{key}" is missing'
        if not fine(metadata[key]):
            return f'"{key}" is {json.dumps(metadata[key])[:80]}, not {what}'
    for key in ('colors', 'category_ids'):
        if metadata.get(key) and len(metadata[key]) != len(metadata['classes']):
            return (f'"{key}" has {len(metadata[key])} entries for '
                    f'{len(metadata["classes"])} classes')
    return None
