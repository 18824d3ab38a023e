"""Tables II to VIII again: which trainings they need, how long those take, ours beside the paper's.
"""
from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from medseg.benchmark.complexity import count
from medseg.cli import load_config
from medseg.engine.building import build_model
from medseg.errors import UserError
from medseg.io import read_json, write_json
from medseg.paths import shipped_root
from medseg.runtime.images import read_image
from medseg.tables import markdown

from .tables import PAPER_TABLES

#: A training step computes forward, and backward to inputs and to weights.
_PASSES = 3
#: Loading, losses and assignment on top of the network, as seen on two cores.
_OVERHEAD = 1.4
#: Images that a mosaic reads, seconds to start a training, images that are read to time it.
_MOSAIC, _START, _SAMPLE = 4, 20, 5


@dataclass(frozen=True)
class PrintedTable:
    """One of the paper's tables.

    Attributes:
        number (str): Roman.
        suite (str): Where its rows are, a key of ``PAPER_TABLES``.
        figures (tuple[str, ...]): Keys of ``VALUE_UNITS`` that are shown.
    """

    number: str
    suite: str
    figures: tuple[str, ...]


_EFFICIENCY = ('params_m', 'gflops', 'fps')
_MASKS = ('mask_map50', 'mask_map')
TABLES = (
    PrintedTable('II', 'table2', (*_MASKS, 'mask_precision', 'mask_recall')),
    PrintedTable('III', 'table5', _MASKS),
    PrintedTable('IV', 'table4', _EFFICIENCY),
    PrintedTable('V', 'table5', _EFFICIENCY),
    PrintedTable('VI', 'table6', (*_EFFICIENCY, *_MASKS)),
    PrintedTable('VII', 'table7', (*_EFFICIENCY, *_MASKS)),
    PrintedTable('VIII', 'table8', (*_EFFICIENCY, *_MASKS)),
)
HEADINGS = {'params_m': 'M parameters', 'gflops': 'GFLOPs', 'fps': 'FPS',
            'mask_map50': 'mask mAP50', 'mask_map': 'mask mAP', 'mask_precision': 'precision',
            'mask_recall': 'recall'}


def chosen(numbers: Sequence[str]) -> list[PrintedTable]:
    """Tables by their numbers; all without any."""
    return [table for table in TABLES if table.number in numbers or not numbers]


def needed_configs(tables: Iterable[PrintedTable], only: Sequence[str] = ()) -> list[str]:
    """Configs of the tables' rows, each once, relative to the folder of ``configs/``.

    Raises:
        UserError: ``only`` names a config that is in none of the tables.
    """
    configs = list(dict.fromkeys(row.config for table in tables
                                 for row in PAPER_TABLES[table.suite].rows if row.config))
    stems = {Path(config).stem: config for config in configs}
    unknown = [name for name in only if name not in stems]
    if unknown:
        raise UserError(f'--only {unknown[0]}: is in none of the tables; there are: '
                        f'{", ".join(stems)}')
    return [stems[name] for name in only] or configs


def operations(configs: Sequence[str], cache: Path, size: int) -> dict[str, float]:
    """GFLOPs of one image by config; counted once, then read from ``cache``."""
    found = read_json(cache) if cache.is_file() else {}
    for config in configs:
        key = f'{config} {size}'
        if key not in found:
            model = build_model(load_config(str(shipped_root() / config)))
            found[key] = count(model, size, size).flops / 1e9
            write_json(cache, found, indent=1)
    return {config: found[f'{config} {size}'] for config in configs}


def step_rate(device: str, size: int, batch: int = 2) -> float:
    """GFLOPs per second of training, timed on a plain convolutional network; takes seconds."""
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(3, 64, 3, 4, 1)]
    for _ in range(4):
        layers += [torch.nn.SiLU(), torch.nn.Conv2d(64, 64, 3, 1, 1)]
    model = torch.nn.Sequential(*layers).to(device)
    image = torch.rand(batch, 3, size, size, device=device)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(image)
    forward, seconds = counter.get_total_flops() / 1e9, []
    for _ in range(4):
        start = time.perf_counter()
        model(image).square().mean().backward()
        if device.startswith('cuda'):
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return _PASSES * forward / min(seconds)


def load_seconds(images: Sequence[Path]) -> float:
    """Seconds to read and decode an image, timed on the first few."""
    start = time.perf_counter()
    for path in images[:_SAMPLE]:
        read_image(path)
    return (time.perf_counter() - start) / max(1, len(images[:_SAMPLE]))


def estimate(gflops: Mapping[str, float], images: int, epochs: int, seeds: int, rate: float,
             load: float = 0.0, workers: int = 0, finished: Sequence[Mapping[str, Any]] = ()
             ) -> dict[str, float]:
    """Minutes of training by config; 0 where every seed is done.

    Args:
        gflops (Mapping): Of one image, by config.
        images, epochs, seeds (int): Of each training.
        rate (float): GFLOPs per second.
        load (float): Seconds to read an image, of which a mosaic takes four.
        workers (int): Processes that read meanwhile; 0: the training reads itself.
        finished (Sequence): Runs of ``results.json`` with the same settings: the sum of their
            minutes by that of their estimates scales the others.
    """
    done: dict[str, list[float]] = {}
    for run in finished:
        if run['status'] == 'finished':
            done.setdefault(Path(run['config']).name, []).append(run['train_minutes'])
    expected = {}
    for config, value in gflops.items():
        compute, reading = _PASSES * _OVERHEAD * value / rate, _MOSAIC * load
        each = max(compute, reading / workers) if workers else compute + reading
        expected[config] = (_START + images * epochs * each) / 60
    known = [(expected[config], statistics.fmean(done[Path(config).name])) for config in expected
             if Path(config).name in done]
    scale = sum(m for _, m in known) / sum(e for e, _ in known) if known else 1.0
    return {config: minutes * scale * max(0, seeds - len(done.get(Path(config).name, ())))
            for config, minutes in expected.items()}


def duration(minutes: float) -> str:
    """Minutes as people say them."""
    if minutes < 1:
        return '< 1 min'
    if minutes < 90:
        return f'{minutes:.0f} min'
    return f'{minutes / 60:.1f} h' if minutes < 72 * 60 else f'{minutes / 60 / 24:.1f} days'


def plan_table(gflops: Mapping[str, float], minutes: Mapping[str, float]) -> str:
    """What is to be trained, with the estimate and its sum."""
    rows = [[Path(config).stem, f'{gflops[config]:.1f}',
             duration(minutes[config]) if minutes[config] else 'done'] for config in minutes]
    rows.append(['all', '', duration(sum(minutes.values()))])
    return markdown(['config', 'GFLOPs per image', 'training, estimated'], rows)


def side_by_side(table: PrintedTable, rows: Sequence[Mapping[str, Any]]) -> str:
    """One of the paper's tables, ours first, the paper's and the difference behind.

    Args:
        table (PrintedTable): Which.
        rows (Sequence[Mapping]): Rows of the ``report.json`` of its suite.
    """
    header, cells = ['model'], []
    for figure in table.figures:
        header += [f'{HEADINGS[figure]}', 'paper', 'difference']
    for row in rows:
        line = [row['title']]
        for figure in table.figures:
            ours, printed = row['own'].get(figure), row['paper'].get(figure)
            ends = ((row.get('accuracy') or {}).get('intervals') or {}).get(figure)
            text = '-' if ours is None else f'{ours:.2f}' if figure == 'params_m' else f'{ours:.1f}'
            line += [text + (f' ({ends[0]:.1f} to {ends[1]:.1f})' if ends and ours is not None
                             else ''),
                     '' if printed is None else f'{printed:g}',
                     '' if None in (ours, printed) else f'{ours - printed:+.1f}']
        cells.append(line)
    title = PAPER_TABLES[table.suite].title.split(': ', 1)[-1]
    failed = [f'{row["title"]}: {what}: {text}' for row in rows
              for what, text in row.get('errors', {}).items()]
    notes = ''.join(f'\n\nNot measured: {line.splitlines()[0]}' for line in failed)
    return f'**Table {table.number}: {title}**\n\n{markdown(header, cells)}{notes}'
