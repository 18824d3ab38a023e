"""Reading COCO instance files: finding them, loading them, the masks of their annotations."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from pycocotools import mask as mask_utils

from medseg.io import read_json

from .coco_rules import REMARK, left_out_line, structure_faults, usable_content
from .convert.records import UNSPLIT, ConversionError
from .convert.writer import subset_folder
from .outlines import encoded

SUBSETS = ('train', 'val', 'test')


def load_coco(path: Path) -> dict[str, Any]:
    """Content of a COCO instance file whose entries are complete and refer to each other.

    Outlines and boxes may still be anything: see ``coco_rules.usable_content``.

    Raises:
        UserError: the file is missing, no JSON, or has no ``images``, ``annotations`` and
            ``categories`` lists, or an entry lacks what every user of it needs.
    """
    return checked_structure(read_json(path), path)


def checked_structure(content: Any, path: Path) -> dict[str, Any]:
    """What a COCO file held; see :func:`load_coco`, which reads it too."""
    first = next((fault for fault in structure_faults(content) if fault.effect != REMARK), None)
    if first is not None:
        place = f'{first.record}: ' if first.record else ''
        raise ConversionError(f'{path}: {place}{first.kind}: {first.reason}; tools/data/check.py '
                              'lists every fault')
    return content


def load_drawable(path: Path) -> tuple[dict[str, Any], str]:
    """Content of a COCO instance file without the records whose boxes or outlines are broken.

    Args:
        path: The file.

    Returns:
        The content, and a line that says what was left out and why; empty where nothing was.

    Raises:
        ConversionError: as :func:`load_coco`.
        UserError: no image, or no object, can be used.
    """
    content, left_out = usable_content(load_coco(path), str(path), training=False)
    return content, left_out_line(str(path), left_out)


def find_annotation_files(source: Path) -> dict[str, Path]:
    """COCO files behind a path, by subset.

    Args:
        source: A COCO file, or the output directory of a converter or of a split.

    Returns:
        ``{subset: file}``, with ``train``, ``val``, ``test`` before ``all``; a single file is
        named after itself without ``instances_``.

    Raises:
        ConversionError: nothing is found.
    """
    if source.is_file():
        return {source.stem.removeprefix('instances_'): source}
    found = {subset: source / 'annotations' / f'instances_{subset}.json'
             for subset in (*SUBSETS, UNSPLIT)}
    found = {subset: path for subset, path in found.items() if path.is_file()}
    if not found:
        raise ConversionError(
            f'{source}: no such file, and no annotations/instances_*.json in it; give a COCO file '
            'or the output directory of a converter')
    return found


def image_folder(annotation_file: Path) -> Path:
    """Image folder that belongs to ``ROOT/annotations/instances_<subset>.json``.

    It is the subset's own folder where there is one (``ROOT/train``), else ``ROOT/images``.

    Raises:
        ConversionError: neither exists.
    """
    root = annotation_file.parent.parent
    subset = annotation_file.stem.removeprefix('instances_')
    for folder in (root / subset_folder(subset), root / 'images'):
        if folder.is_dir():
            return folder
    raise ConversionError(f'{annotation_file}: no {root / subset} and no {root / "images"}; '
                          'give the image folder with --images')


def output_name(file_name: str) -> PurePosixPath:
    """``file_name`` of an image as a path to write below an output folder.

    Raises:
        ConversionError: it would lead out of the folder.
    """
    name = PurePosixPath(file_name.replace('\\', '/'))
    if name.is_absolute() or '..' in name.parts or ':' in name.parts[0]:
        raise ConversionError(f'{file_name}: leads out of the image folder; make it relative')
    return name


def float_outlines(segmentation: Any) -> Any:
    """A segmentation whose polygons are floating point, part by part; run lengths stay.

    A file may hold whole numbers. Kept as such, every geometric step would cut off what the
    coordinates have behind the point, half a pixel on average.
    """
    if not isinstance(segmentation, list):
        return segmentation
    return [[float(value) for value in part] for part in segmentation]


def annotation_mask(annotation: dict[str, Any], height: int, width: int) -> np.ndarray:
    """Mask of a COCO annotation, polygons or RLE, as booleans of shape (height, width).

    Raises:
        RecordError: the outline or the run lengths are broken, or of another size.
    """
    return mask_utils.decode(encoded(annotation['segmentation'], height, width)).astype(bool)


def class_table(subsets: dict[str, dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Instances of each class in each subset, as the paper's Table I.

    Args:
        subsets: COCO content by subset name. Classes are told apart by name, in order of first
            appearance.

    Returns:
        Header and rows; the last two rows count instances and images.
    """
    names: dict[str, None] = {}
    counts: dict[tuple[str, str], int] = {}
    for subset, content in subsets.items():
        by_id = {item['id']: str(item['name']) for item in content['categories']}
        names.update(dict.fromkeys(by_id.values()))
        for annotation in content['annotations']:
            key = (by_id.get(annotation['category_id'], 'unknown'), subset)
            names.setdefault(key[0])
            counts[key] = counts.get(key, 0) + 1
    rows = [[name, *(counts.get((name, subset), 0) for subset in subsets)] for name in names]
    rows.append(['instances', *(len(content['annotations']) for content in subsets.values())])
    rows.append(['images', *(len(content['images']) for content in subsets.values())])
    total = len(subsets) > 1
    header = ['class', *subsets, *(['total'] if total else [])]
    return header, [[str(cell) for cell in (row + [sum(row[1:])] if total else row)]
                    for row in rows]
