"""Rows of docs/bad_input.md about annotations: what the readers, the rules and the splitter say."""
from __future__ import annotations

import json
from pathlib import Path

from bad_annotations import (
    FILES,
    LINES,
    OBJECTS,
    SHAPES,
    YAMLS,
    labelme,
    png,
    thing,
)
from bad_coco_files import ROWS, sound
from patient_names import CLEAR, UNCLEAR

from medseg.data.coco_rules import BROKEN, REFUSED, REMARK, UNTRAINED, find_faults
from medseg.data.convert.classes import ClassMap, load_class_names
from medseg.data.convert.labelme_reader import read_labelme
from medseg.data.convert.records import Reading
from medseg.data.convert.supervisely_reader import read_supervisely
from medseg.data.convert.yolo_seg_reader import read_yolo_seg
from medseg.data.grouping import find_grouping
from medseg.errors import UserError

Row = tuple[str, str]
EFFECTS = {REFUSED: 'file refused', BROKEN: 'left out', UNTRAINED: 'left out of training',
           REMARK: 'taken'}
LONGEST = 150


def _short(text: str) -> str:
    text = text.replace('|', '/')
    return text if len(text) <= LONGEST else f'{text[:LONGEST - 4]} ...'


def coco(_: Path) -> list[Row]:
    """What training and the checker make of each bad COCO file."""
    rows = []
    for name, (change, _, kind) in ROWS.items():
        content = sound()
        change(content)
        content = json.loads(json.dumps(content))
        fault = next((fault for fault in find_faults(content) if fault.kind == kind), None)
        rows.append((name, 'taken, nothing found' if fault is None else _short(
            f'{EFFECTS[fault.effect]}: {fault.kind}: {fault.reason}')))
    return rows


def _found(readings: list[Reading]) -> str:
    """The first finding that costs something, else the first remark."""
    findings = sorted((item for reading in readings for item in reading.findings),
                      key=lambda item: not item.skipped)
    if not findings:
        return 'read'
    item = findings[0]
    return _short(f'{"listed" if item.skipped else "read"}: {item.kind}: {item.reason}')


def labelme_files(folder: Path) -> list[Row]:
    """Each bad shape and each bad file of LabelMe."""
    rows = []
    contents = [(f'shape: {name}', labelme(shape)) for name, (shape, _) in SHAPES.items()]
    contents += [(f'file: {name}', content) for name, (content, _) in FILES.items()]
    for name, content in contents:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        (folder / 'x.json').write_bytes(data)
        (folder / 'x.png').write_bytes(png())
        rows.append((name, _found(list(read_labelme(folder, ClassMap(['bone']), quiet=True)))))
    return rows


def supervisely(folder: Path) -> list[Row]:
    """Each bad object of Supervisely."""
    rows = []
    for part in ('ann', 'img'):
        (folder / 'ds' / part).mkdir(parents=True)
    (folder / 'ds/img/x.png').write_bytes(png())
    for name, (item, _) in OBJECTS.items():
        (folder / 'ds/ann/x.png.json').write_text(json.dumps({'objects': [item, thing()]}))
        rows.append((name, _found(list(read_supervisely(folder, ClassMap(['bone']), quiet=True)))))
    return rows


def yolo(folder: Path) -> list[Row]:
    """Each bad line of YOLO labels, and each bad data.yaml."""
    rows = []
    for part in ('images', 'labels'):
        (folder / part).mkdir()
    (folder / 'images/x.png').write_bytes(png())
    for name, (line, _) in LINES.items():
        (folder / 'labels/x.txt').write_bytes(line)
        rows.append((f'line: {name}', _found(list(read_yolo_seg(folder, [0], quiet=True)))))
    for name, (content, _) in YAMLS.items():
        path = folder / 'data.yaml'
        path.write_bytes(content)
        try:
            load_class_names([str(path)])
            raise AssertionError(f'{name}: was read')
        except UserError as error:
            text = ' '.join(str(error).replace(f'{folder}/', '').split())
            rows.append((f'data.yaml: {name}', _short(text)))
    return rows


def patients(_: Path) -> list[Row]:
    """Names that settle whose they are, and names that do not."""
    rows = []
    for names, _ in CLEAR.values():
        count = len(set(find_grouping(names).patients))
        rows.append((f'{names[0]}, {names[-1]}', f'{count} patients'))
    for names, _ in UNCLEAR.values():
        try:
            find_grouping(names)
            raise AssertionError(f'{names[0]}: was settled')
        except UserError as error:
            offers = str(error).split('. Settle')[0].split('; ')[-1]
            rows.append((f'{names[0]}, {names[-1]}', _short(f'refused: {offers}')))
    return rows
