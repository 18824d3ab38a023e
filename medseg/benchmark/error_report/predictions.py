"""Prediction files of a model: found by prefix or by name, checked, at most so many per image."""
from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from pycocotools.coco import COCO

from medseg.data.outlines import is_number
from medseg.errors import UserError, shown
from medseg.io import read_json

#: What is compared, and the field that holds it.
KINDS = {'segm': 'segmentation', 'bbox': 'bbox'}


@dataclass(frozen=True)
class Files:
    """Where the predictions of a model are.

    Attributes:
        label (str): The model's name.
        paths (dict[str, Path]): By kind, ``segm`` or ``bbox``; one file may hold both.
    """

    label: str
    paths: dict[str, Path]


def find(path: Path, label: str | None = None) -> Files:
    """The files that a name stands for.

    Args:
        path (Path): A prefix of ``PREFIX.segm.json`` and ``PREFIX.bbox.json`` as ``InstanceMetric``
            writes them, one of these files, or any other file of COCO results.
        label (str, optional): The model's name; None: the prefix' or the file's.

    Raises:
        UserError: There is no such file, or it holds neither masks nor boxes.
    """
    prefix = path
    for kind in KINDS:
        if path.name.endswith(f'.{kind}.json'):
            prefix = path.with_name(path.name.removesuffix(f'.{kind}.json'))
    paths = {kind: prefix.with_name(f'{prefix.name}.{kind}.json') for kind in KINDS}
    paths = {kind: file for kind, file in paths.items() if file.is_file()}
    if not paths and path.is_file():
        records = read_json(path)
        first = records[0] if isinstance(records, list) and records else {}
        paths = {kind: path for kind, field in KINDS.items()
                 if not records or (isinstance(first, dict) and field in first)}
        if not paths:
            raise UserError(f'{path}: is no file of COCO results: no list of records with bbox or '
                            'segmentation; tools/test.py writes one with --cfg-options '
                            'test_evaluator.outfile_prefix=PREFIX')
        prefix = path.with_suffix('')
    if not paths:
        raise UserError(f'{path}: no such file, nor {prefix.name}.segm.json or .bbox.json; '
                        'tools/test.py writes them with --cfg-options '
                        'test_evaluator.outfile_prefix=PREFIX')
    return Files(label or prefix.name, paths)


def read(path: Path, kind: str, coco: COCO, max_dets: int) -> list[dict]:
    """The records of a file, the best ``max_dets`` per image and class, by falling score.

    Args:
        path (Path): COCO results.
        kind (str): What they will be compared by, ``segm`` or ``bbox``.
        coco (COCO): The ground truth.
        max_dets (int): Detections per image and class that count.

    Raises:
        UserError: A record cannot be used; the message names it.
    """
    records = read_json(path)
    if not isinstance(records, list):
        raise UserError(f'{path}: is no list of COCO results')
    kept: dict[tuple, list[dict]] = defaultdict(list)
    for number, record in enumerate(records):
        fault = _fault(record, kind, coco)
        if fault:
            raise UserError(f'{path}: prediction {number}: {fault}')
        kept[record['image_id'], record['category_id']].append(record)
    return [record for same in kept.values()
            for record in sorted(same, key=lambda item: -item['score'])[:max_dets]]


def _fault(record: object, kind: str, coco: COCO) -> str | None:
    """What is wrong with a record, and what to do."""
    if not isinstance(record, dict):
        return f'{shown(record)} is no record'
    for field in ('image_id', 'category_id', 'score', KINDS[kind]):
        if field not in record:
            return f'has no {field}; predict again with tools/test.py'
    for field, known, what in (('image_id', coco.imgs, 'image'),
                               ('category_id', coco.cats, 'category')):
        value = record[field]
        if not isinstance(value, (int, str)) or value not in known:
            return (f'{what} id {shown(value)} is not in the ground truth; give the annotation '
                    'file that the predictions were made from (tools/infer.py: --ann FILE)')
    if not is_number(record['score']) or not 0 <= record['score'] <= 1:
        return f'score {shown(record["score"])} is no number from 0 to 1'
    if kind == 'bbox':
        box = record['bbox']
        if not isinstance(box, list) or len(box) != 4 or not all(map(is_number, box)) \
                or min(box[2:]) < 0:
            return f'bbox {shown(box)} is not x, y, width, height in pixels'
    elif not isinstance(record['segmentation'], dict) \
            or not {'size', 'counts'} <= record['segmentation'].keys():
        return f'segmentation {shown(record["segmentation"])} is no RLE with size and counts'
    return None
