"""What is said to bad input, in the tables of docs/bad_input.md, from the tables of the tests.

    python tests/bad_input.py            # write the document's tables
    python tests/bad_input.py --check    # say which are not up to date
"""
from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bad_annotation_tables import coco, labelme_files, patients, supervisely, yolo
from hostile_checkpoints import ALL
from hostile_models import GOOD, OUTSIDE, WRONG, external, initializer
from onnx import ModelProto
from runtime_models import METADATA, constant_model, raw_outputs

from medseg.engine.checkpoint_file import CheckpointError, read_checkpoint
from medseg.errors import UserError
from medseg.runtime.metadata import parse
from medseg.runtime.onnx_check import check_external_files
from medseg.tables import fill, markdown

DOCUMENT = Path(__file__).resolve().parents[1] / 'docs' / 'bad_input.md'
HEADER = ('what comes in', 'what is said')


def said(error: Exception, folder: Path) -> str:
    """The first sentence of a message, without what differs between machines."""
    text = re.sub(r'\(\d+ bytes', '(N bytes', str(error).replace(f'{folder}/', ''))
    text = re.split(r'(?<=[a-z)`])\. [A-Z]', text)[0]
    return text if len(text) <= 140 else f'{text[:136]} ...'


def checkpoints(folder: Path) -> list[tuple[str, str]]:
    """One row for each file of :mod:`hostile_checkpoints`."""
    rows, path = [], folder / 'model.pth'
    for name, (content, _) in ALL.items():
        path.write_bytes(content)
        try:
            read_checkpoint(path)
            raise AssertionError(f'{name}: was read')
        except CheckpointError as error:
            rows.append((name, said(error, folder)))
    return rows


def exported(folder: Path) -> list[tuple[str, str]]:
    """A row for each path that leads out of a model's folder, and for each key of a description."""
    rows, inside = [], folder / 'model'
    (inside / 'more').mkdir(parents=True)
    (folder / 'secret.bin').write_bytes(b'secret')
    (inside / 'link.bin').symlink_to(folder / 'secret.bin')
    (inside / 'up').symlink_to(folder)
    path = inside / 'model.onnx'
    good = constant_model(path, raw_outputs(), dict(METADATA, kind='raw')).read_bytes()
    for location in OUTSIDE:
        model = ModelProto.FromString(good)
        initializer(model, external(location))
        path.write_bytes(model.SerializeToString())
        why = check_external_files(path)
        rows.append((f'external data in {location!r}', f'it {why}'.replace(f'{folder}/', '')))
    for key, values in WRONG.items():
        try:
            parse(json.dumps({**GOOD, key: values[0]}), 'model.onnx')
            raise AssertionError(f'{key}: {values[0]} passed')
        except UserError as error:
            rows.append((f'`{key}`: {json.dumps(values[0])}', said(error, folder)))
    return rows


#: Tables of the document by the name of their place.
TABLES: dict[str, Callable[[Path], list[tuple[str, str]]]] = {
    'checkpoints': checkpoints, 'exported': exported, 'coco': coco, 'patients': patients,
    'labelme': labelme_files, 'supervisely': supervisely, 'yolo': yolo}


def outdated(write: bool) -> list[str]:
    """Names of tables that differ from what the tests' inputs give now; written if asked for."""
    names = []
    for name, rows in TABLES.items():
        before = DOCUMENT.read_text(encoding='utf-8')
        with tempfile.TemporaryDirectory() as folder:
            table = markdown(HEADER, rows(Path(folder)), words=len(HEADER))
        if table not in before:
            names.append(name)
            if write:
                fill(DOCUMENT, name, table)
    return names


def main(argv: Sequence[str] | None = None) -> int:
    """Write or check; returns 1 if a table is not up to date."""
    check = '--check' in (sys.argv[1:] if argv is None else argv)
    names = outdated(write=not check)
    print(f'{DOCUMENT.name}: ' + (', '.join(names) or 'nothing') +
          (' to be written again' if check else ' written'))
    return 1 if check and names else 0


if __name__ == '__main__':
    raise SystemExit(main())
