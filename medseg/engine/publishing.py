"""What is published of a checkpoint: its weights in half precision, and a card about them.

Three files lie side by side: ``NAME.pth``; ``NAME.json``, what ``tools/test.py`` measured with that
very file; and ``NAME.md``, the card, whose figures are the JSON's.
"""
from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from medseg.errors import UserError
from medseg.io import read_json
from medseg.tables import markdown

from .checkpoint import FUSED_KEY, save_checkpoint, weights_of
from .checkpoint_file import CheckpointError, read_checkpoint

#: Bytes of one published file, and of all of them: a repository is cloned with them.
MOST_BYTES, MOST_BYTES_IN_ALL = 3_000_000, 10_000_000
#: Key of ``checkpoint['meta']``: the config's path from the repository's root.
CONFIG_KEY = 'config_file'
_KEPT = ('epoch', 'iter', 'seed', FUSED_KEY)
_KEPT_OF_DATA = ('classes', 'palette', 'category_ids', 'labels_by_name')
#: Columns of a card's table: what ``medseg.metrics`` calls them, in which unit.
_FIGURES = dict(mAP='mAP', mAP_50='mAP50', mAP_75='mAP75', precision='precision', recall='recall')
_KINDS = dict(bbox='boxes', segm='masks')

INTENDED_USE = '''\
Research and teaching: to try the project, to compare methods, to start a training from. **Not a
medical device**: not tested on patients, not cleared by any authority, not to be used for a
diagnosis, for treatment or to guide an instrument. What it finds on images unlike those that it was
trained on says nothing.'''


def half_precision(tensor: torch.Tensor) -> torch.Tensor:
    """A float tensor as float16; others, and those with values beyond its range (65504), as is.

    float16 keeps 11 significant bits: a relative error of at most 2**-11, and of at most 2**-25 in
    all for values under 2**-14.
    """
    if not tensor.is_floating_point():
        return tensor.contiguous()
    half = tensor.half()
    return half.contiguous() if bool(torch.isfinite(half).all()) else tensor.contiguous()


def published(checkpoint: Mapping[str, Any], name: str | os.PathLike, config: str) -> dict:
    """Weights and what is needed to use them; loads with ``weights_only=True``.

    ``state_dict`` holds the averaged weights where weights were averaged: mmengine's ``EMAHook``
    saves the last step's as ``ema_state_dict``, which is left out, as are optimiser and logs.

    Args:
        checkpoint (Mapping[str, Any]): What :func:`.checkpoint.read_checkpoint` gave.
        name (str | os.PathLike): The file, for messages.
        config (str): The config's path from the repository's root.

    Returns:
        dict: ``meta`` (classes, colours and ids of the data; epoch, iter, seed; the config's path)
        and ``state_dict``.

    Raises:
        CheckpointError: It holds no weights, or does not name its classes.
    """
    meta = checkpoint.get('meta') or {}
    data = meta.get('dataset_meta') or {}
    data = {key.lower(): value for key, value in data.items()}
    if not data.get('classes'):
        raise CheckpointError(f'{name}: does not name its classes (`meta.dataset_meta.classes`)')
    kept = {key: meta[key] for key in _KEPT if key in meta}
    kept['dataset_meta'] = {key: data[key] for key in _KEPT_OF_DATA if key in data}
    return dict(meta={**kept, CONFIG_KEY: config},
                state_dict={key: half_precision(value)
                            for key, value in weights_of(checkpoint, name).items()})


def write_weights(content: dict, out: Path, most: int = MOST_BYTES) -> int:
    """Write what :func:`published` gave; returns the bytes.

    Raises:
        UserError: The file would be larger than ``most`` bytes; nothing is left of it.
    """
    save_checkpoint(content, out)
    size = out.stat().st_size
    if size > most:
        out.unlink()
        count = sum(value.numel() for value in content['state_dict'].values())
        raise UserError(f'{out}: {count:,} numbers take {size:,} bytes, more than {most:,}: too '
                        'large for the repository')
    return size


def config_of(checkpoint: Mapping[str, Any], name: str | os.PathLike, root: Path) -> Path:
    """The config that published weights belong to.

    A config is a program: only one of those that come with the project is taken from a file.

    Args:
        checkpoint (Mapping[str, Any]): What was read.
        name (str | os.PathLike): The file, for messages.
        root (Path): Folder that holds ``configs/``.

    Raises:
        UserError: It names none, or one outside ``configs/``.
    """
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    config = meta.get(CONFIG_KEY) if isinstance(meta, dict) else None
    if not isinstance(config, str):
        raise UserError(f'{name}: does not say which config it belongs to; name it with --config')
    path = (root / config).resolve()
    if not path.is_relative_to((root / 'configs').resolve()) or not path.is_file():
        raise UserError(f'{name}: names {config!r}, which is no config of this project; name '
                        'another with --config')
    return path


def figures_table(figures: Mapping[str, float]) -> str:
    """The figures of a test as a table, in percent.

    Args:
        figures (Mapping[str, float]): What ``tools/test.py`` wrote: ``coco/bbox_mAP``, ...; or
            those of areas, ``semantic/dice``, ..., which keep their names and units.

    Raises:
        UserError: It holds neither.
    """
    rows = [[name, *(f'{100 * figures[f"coco/{kind}_{key}"]:.1f}' for key in _FIGURES)]
            for kind, name in _KINDS.items() if f'coco/{kind}_mAP' in figures]
    if rows:
        return markdown(['%', *_FIGURES.values()], rows)
    rows = [[key.removeprefix('semantic/'), f'{value:.4f}'] for key, value in figures.items()
            if key.startswith('semantic/')]
    if not rows:
        raise UserError('the test gave no figures of instances or areas')
    return markdown(['figure', 'value'], rows)


def test_command(config: str, name: str, options: Mapping[str, Any]) -> str:
    """The command that prints a card's figures, as a reader would type it.

    Args:
        config (str): The config's path from the repository's root.
        name (str): Of the published file.
        options (Mapping[str, Any]): ``--cfg-options`` of the test.
    """
    words = [f'python tools/test.py {config} weights/{name}']
    if options:
        words.append('--cfg-options')
        words += [shlex.quote(f'{key}={value}'.replace(' ', '')) for key, value in options.items()]
    return ' '.join(words)


def card(weights: Path, about: Mapping[str, str]) -> str:
    """The model card of ``NAME.pth``, with the figures of ``NAME.json`` beside it.

    Args:
        weights (Path): The published file.
        about (Mapping[str, str]): Lines that the files cannot tell, as title and Markdown, in
            order.

    Raises:
        UserError: The JSON is missing or holds no figures.
    """
    content = read_checkpoint(weights)
    report = read_json(weights.with_suffix('.json'))
    meta, state = content['meta'], content['state_dict']
    kinds = sorted({str(value.dtype).removeprefix('torch.') for value in state.values()})
    config = meta[CONFIG_KEY]
    lines = {
        'file': f'`{weights.name}`, {weights.stat().st_size:,} bytes, '
                f'{sum(value.numel() for value in state.values()):,} numbers ({", ".join(kinds)})',
        'SHA-256': f'`{hashlib.sha256(weights.read_bytes()).hexdigest()}`',
        'classes': ', '.join(meta['dataset_meta']['classes']),
        'config': f'[{Path(config).name}](../{config})',
        'seed': str(meta.get('seed', 'unknown')),
        'trained for': f'{meta.get("epoch", "?")} epochs, {meta.get("iter", "?")} steps',
        **about}
    tested = report['tested_on']
    return '\n'.join([
        f'# {weights.stem}', '', markdown(['', ''], [list(line) for line in lines.items()], 2), '',
        '## Figures', '', figures_table(report['figures']), '',
        f'On {tested["images"]} images with {tested["instances"]} annotated objects '
        f'(`{tested["ann_file"]}`), tested {report["date"]} with this file; all figures are in '
        f'[{weights.stem}.json]({weights.stem}.json). This prints them:', '',
        '```bash', test_command(config, weights.name, report['options']), '```', '',
        '## Intended use', '', INTENDED_USE, ''])
