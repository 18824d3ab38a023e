"""Measuring a list of models: what is missing, measuring it, collecting the rows."""
from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from medseg.cli import load_config, merge_options
from medseg.engine.adapt_config import adapt_config
from medseg.engine.checkpoint import CheckpointError
from medseg.errors import UserError
from medseg.io import write_text

from . import accuracy, machine
from .latency import summarise
from .model_lists import Entry
from .result_cache import ResultCache, code_hash, file_hash
from .worker import Worker

MEASURES = ('complexity', 'memory', 'latency', 'accuracy')


@dataclass(frozen=True)
class Options:
    """How everything is measured.

    Attributes:
        out (Path): Folder of everything that is written.
        size (int): Side of the input in pixels.
        device (str): Such as ``cpu`` or ``cuda:0``.
        precisions (tuple[str, ...]): Of ``fp32``, ``fp16``, ``bf16``.
        fuse (bool): Measure latency and inference memory of the inference form.
        rounds, iterations, warm_up (int): Of the timing; iterations are of each round.
        batch (int): Images of the training step whose memory is measured.
        measures (tuple[str, ...]): Of :data:`MEASURES`.
        data (str | None): Data config that replaces the models' own.
        data_root (Path | None): Folder of the data set.
        eval_size (int | None): Side for accuracy; None for each config's own.
        num_workers (int): Loader processes of the test.
        timeout (float): Seconds that one measurement may take.
        cfg_options (dict): Override settings of every config.
        references (tuple[str, ...]): Modules that register :mod:`.references`.
    """

    out: Path
    size: int = 640
    device: str = 'cpu'
    precisions: tuple[str, ...] = ('fp32',)
    fuse: bool = True
    rounds: int = 3
    iterations: int = 20
    warm_up: int = 5
    batch: int = 8
    measures: tuple[str, ...] = MEASURES
    data: str | None = None
    data_root: Path | None = None
    eval_size: int | None = None
    num_workers: int = 2
    timeout: float = 1800
    cfg_options: dict[str, Any] = field(default_factory=dict)
    references: tuple[str, ...] = ()


class Session:
    """One benchmark over a list of models.

    Args:
        entries (list[Entry]): The models.
        options (Options): How to measure.
        report (Callable): Gets a line of text for each measurement that fails.
    """

    def __init__(self, entries: list[Entry], options: Options,
                 report: Callable[[str], None] = print) -> None:
        self.entries, self.options, self.report = entries, options, report
        self.cache = ResultCache(options.out / 'cache')
        self.machine = machine.describe(options.device)
        self._code = code_hash()
        self.rows = [dict(name=e.name, title=e.title, config=e.config, checkpoint=e.checkpoint,
                          paper=e.paper, note=e.note, errors={}, unsupported={})
                     for e in entries]
        self.made = 0
        self._configs: dict[str, tuple[Path, dict[str, Any]]] = {}
        self._worker = Worker(options.timeout, options.references)

    def run(self) -> list[dict[str, Any]]:
        """Measure what is missing.

        Returns:
            list[dict]: One row per model; ``errors`` names by measurement what went wrong.
        """
        good = [row for row in self.rows if self._prepare(row)]
        with Progress(console=Console(stderr=True), transient=True,
                      disable=not sys.stderr.isatty()) as progress:
            steps = list(self._steps(good))
            for row, step in progress.track(steps, description='measuring'):
                try:
                    step(row)
                except OSError as error:
                    self._fail(row, 'files', str(error))
        self._worker.close()
        for row in good:
            self._finish_latency(row)
        return self.rows

    def _steps(self, rows: list[dict]) -> Iterable[tuple[dict, Callable[[dict], None]]]:
        """Everything to do, in its order: models are timed in turn, round after round."""
        measures = self.options.measures
        for row in rows:
            if 'complexity' in measures:
                yield row, self._complexity
        for row in rows:
            if 'memory' in measures:
                yield row, self._memory
        for turn in range(self.options.rounds if 'latency' in measures else 0):
            for precision in self.options.precisions:
                for row in rows:
                    yield row, lambda r, p=precision, t=turn: self._latency(r, p, t)
        for row in rows:
            if 'accuracy' in measures and row['checkpoint']:
                yield row, self._accuracy

    def _prepare(self, row: dict) -> bool:
        """Write the config that is measured; False if that fails."""
        options = self.options
        try:
            config = adapt_config(
                load_config(row['config']), size=options.size, data=options.data,
                data_root=options.data_root, load=load_config)
            merge_options(config, options.cfg_options, row['config'])
            weights = file_hash(row['checkpoint'])
        except (UserError, CheckpointError, ValueError, KeyError, OSError) as error:
            self._fail(row, 'config', f'{type(error).__name__}: {error}')
            return False
        path = options.out / 'models' / f'{row["name"]}.py'
        write_text(path, config.pretty_text)
        self._configs[row['name']] = (path, dict(
            config=config.pretty_text, checkpoint=weights, code=self._code))
        return True

    def _cached(self, row: dict, measure: str, make: Callable[[], dict], **settings: Any
              ) -> dict | None:
        """A stored result, or what ``make`` answers; None if it fails."""
        path = self.cache.path(row['name'], measure,
                               dict(self._configs[row['name']][1], **settings))
        result = self.cache.get(path)
        if result is not None:
            return result
        answer = make()
        self.made += 1
        if 'ok' in answer:
            self.cache.put(path, answer['ok'], model=row['name'], config=row['config'],
                           checkpoint=row['checkpoint'], measure=measure, settings=settings,
                           machine=self.machine)
            return answer['ok']
        if 'unsupported' in answer:
            row['unsupported'][settings.get('precision', measure)] = answer['unsupported']
        else:
            self._fail(row, measure, answer['error'])
        return None

    def _fail(self, row: dict, measure: str, message: str) -> None:
        row['errors'][measure] = message
        self.report(f'{row["name"]}: {measure}: {message.splitlines()[0] if message else ""}')

    def _complexity(self, row: dict) -> None:
        path, size = self._configs[row['name']][0], self.options.size
        result = self._cached(row, 'complexity', lambda: self._worker.ask(
            measure='complexity', config=str(path), size=size), size=size)
        row['complexity'] = result

    def _memory(self, row: dict) -> None:
        options, path = self.options, str(self._configs[row['name']][0])
        common = dict(size=options.size, device_name=options.device)
        requests = dict(training_memory=dict(common, batch=options.batch),
                        inference_memory=dict(common, fuse=options.fuse))
        row['memory'] = {}
        for measure, settings in requests.items():
            result = self._cached(row, measure, lambda m=measure, s=settings: self._fresh(
                measure=m, config=path, **s), place=machine.identity(self.machine), **settings)
            if result is not None:
                row['memory'][measure.removesuffix('_memory')] = result

    def _fresh(self, **request: Any) -> dict:
        """Ask a process of its own."""
        worker = Worker(self.options.timeout, self.options.references)
        try:
            return worker.ask(**request)
        finally:
            worker.close()

    def _latency(self, row: dict, precision: str, turn: int) -> None:
        options = self.options
        if precision in row['unsupported'] or f'latency {precision}' in row['errors']:
            return
        settings = dict(device_name=options.device, precision=precision, fuse=options.fuse,
                        iterations=options.iterations, warm_up=options.warm_up)
        place = machine.identity(self.machine)
        weights = row['checkpoint']
        before = dict(row['errors'])
        result = self._cached(row, 'latency', lambda: self._worker.ask(
            measure='latency', config=str(self._configs[row['name']][0]),
            checkpoint=weights, **settings), round=turn, place=place, **settings)
        if 'latency' in row['errors'] and 'latency' not in before:
            row['errors'][f'latency {precision}'] = row['errors'].pop('latency')
        if result is not None:
            row.setdefault('_rounds', {}).setdefault(precision, []).append(result)

    def _finish_latency(self, row: dict) -> None:
        rounds = row.pop('_rounds', {})
        row['latency'] = {precision: summarise(found) for precision, found in rounds.items()}

    def _accuracy(self, row: dict) -> None:
        options = self.options
        config = adapt_config(load_config(row['config']), size=options.eval_size,
                                data=options.data, data_root=options.data_root,
                                num_workers=options.num_workers, load=load_config)
        config.merge_from_dict(options.cfg_options)
        folder = (options.out / 'tests' / row['name']).resolve()
        row['accuracy'] = self._cached(row, 'accuracy', lambda: accuracy.test(
            config, row['checkpoint'], folder, options.device),
            text=config.pretty_text, annotations=accuracy.annotation_hash(config))

