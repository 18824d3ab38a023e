"""Folders of synthetic data: made by one tool with one setting, resumable, never mixed up."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medseg.io import read_json, write_json


def claim(out: Path, marker_name: str, settings: Mapping[str, Any], overwrite: bool) -> bool:
    """Make a folder a generator's own, or refuse it.

    Args:
        out: The folder; made if missing.
        marker_name: File in it that says with which settings it was made.
        settings: What the content depends on; JSON.
        overwrite: Take the folder in any case. Files of other names are left alone.

    Returns:
        Whether all of the content is to be made anew.

    Raises:
        FileExistsError: ``out`` is a file, holds files not made with this marker, or was made
            with other settings, and ``overwrite`` is false.
    """
    if out.exists() and not out.is_dir():
        raise FileExistsError(f'{out}: is a file; name a folder')
    marker = out / marker_name
    fresh = overwrite or not marker.exists()
    if marker.exists():
        found = read_json(marker)
        if found != settings and not overwrite:
            keys = sorted(k for k in {*found, *settings} if found.get(k) != settings.get(k))
            what = ', '.join(f'{k} {found.get(k)} (now {settings.get(k)})' for k in keys)
            raise FileExistsError(
                f'{out}: was made with other settings: {what}; name another folder, or make it '
                'anew with --overwrite')
    elif out.exists() and any(out.iterdir()) and not overwrite:
        raise FileExistsError(
            f'{out}: is not empty and was not made by this tool; name another folder, or write '
            'into it with --overwrite (files of the same name are replaced, others stay)')
    out.mkdir(parents=True, exist_ok=True)
    write_json(marker, dict(settings), indent=1)
    return fresh
