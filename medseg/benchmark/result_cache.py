"""Finished measurements on disk, so that none is made twice."""
from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from medseg.io import read_json, write_json
from medseg.paths import shipped_root

_MEASURING = ('complexity', 'inputs', 'latency', 'memory', 'references', 'thop_convention')


def file_hash(path: str | Path | None) -> str | None:
    """SHA-256 of a file's content; None for no file."""
    if path is None:
        return None
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def code_hash() -> str:
    """SHA-256 over the sources of the models and of what measures them.

    A measurement of other code is another measurement.
    """
    package, projects = Path(__file__).resolve().parents[1], shipped_root() / 'projects'
    digest = hashlib.sha256()
    for path in sorted([*(package / 'models').rglob('*.py'), *projects.rglob('*.py'),
                        *(package / 'benchmark' / f'{name}.py' for name in _MEASURING)]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


class ResultCache:
    """A folder with a JSON file for each measurement: one model, one measure and its settings.

    Args:
        folder (Path): Is made when the first result is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str, measure: str, settings: dict[str, Any]) -> Path:
        """File of a measurement.

        Args:
            name (str): The model's name.
            measure (str): What is measured.
            settings (dict): All that the result depends on: the whole config, the checkpoint's
                hash, sizes, the machine.
        """
        text = json.dumps([measure, settings], sort_keys=True, default=str)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        return self.folder / f'{name}--{measure}--{digest}.json'

    def get(self, path: Path) -> dict[str, Any] | None:
        """A finished result; None where there is none."""
        return read_json(path)['result'] if path.is_file() else None

    def put(self, path: Path, result: dict[str, Any], **about: Any) -> None:
        """Write a finished result."""
        write_json(path, dict(**about, result=result), indent=1)
