"""Training many configs under one budget, several at a time, so that a kill loses little.

Each run has its folder ``OUT/train/NAME``: ``config.py`` (what is trained), ``train.log``,
``test.log``, ``work`` (checkpoints), ``test`` (predictions, metrics) and, when it is done,
``run.json``. ``OUT/results.json`` collects all of them, those of earlier calls with the same
settings too, and is rewritten as each run ends.
"""
from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config

from medseg.configs import evaluators
from medseg.engine.building import build_model
from medseg.engine.training_curves import training_curves
from medseg.errors import UserError
from medseg.io import read_json, write_json, write_text
from medseg.metrics.bootstrap import bootstrap
from medseg.metrics.instance_matches import load_matches

from .area_comparison import area_intervals

SCHEMA = 1
_LOG_LINES = 12
#: Metrics that write the predictions, whose intervals are wanted.
_WRITERS = ('InstanceMetric', 'PELDMetric', 'CocoMetric', 'SemanticMetric')


@dataclass
class Run:
    """One training.

    Attributes:
        name (str): Unique; the name of its folder.
        config (str): What the user named.
        seed (int): Seed of the training.
        folder (Path): ``OUT/train/NAME``.
        settings (dict): What is common to all runs of a comparison, for the record.
        amp (bool): Mixed precision.
        fold (int | None): Which of K folds of the data it tests, from 1.
        variant (str): What else sets it apart from runs of this config, such as ``batch2``.
        result (dict | None): Content of ``run.json``.
    """

    name: str
    config: str
    seed: int
    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    amp: bool = False
    fold: int | None = None
    variant: str = ''
    result: dict[str, Any] | None = None

    @property
    def pooled_name(self) -> str:
        """Name of all folds of this config, variant and seed together."""
        return run_name(self.config, self.seed, variant=self.variant)

    @property
    def work(self) -> Path:
        """Work dir of the training."""
        return self.folder / 'work'

    @property
    def predictions(self) -> Path:
        """Prefix of the prediction files."""
        return self.folder / 'test' / 'predictions'


class Stopped(Exception):
    """The time is over, or the user interrupted."""


def run_name(config: str, seed: int, fold: int | None = None, variant: str = '') -> str:
    """Name of a run: the config's, the variant, the fold and the seed."""
    return '-'.join([Path(config).stem, *([variant] if variant else []),
                     *([f'fold{fold}'] if fold else []), f'seed{seed}'])


def prepare(run: Run, config: Config) -> None:
    """Write a run's config, once.

    Raises:
        UserError: The folder holds a run with other settings; nothing of it is touched.
    """
    for loader, metric in evaluators(config):
        if loader == 'test_dataloader' and metric['type'].split('.')[-1] in _WRITERS:
            config.test_evaluator = dict(config.test_evaluator,
                                         outfile_prefix=str(run.predictions))
            break
    text, path = config.pretty_text, run.folder / 'config.py'
    if path.is_file():
        if path.read_text(encoding='utf-8') != text:
            raise UserError(f'{run.folder}: holds a training with other settings (see its '
                            'config.py); give another --out, or remove that folder')
    else:
        run.folder.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    if (run.folder / 'run.json').is_file():
        result = read_json(run.folder / 'run.json')
        if result.get('status') == 'finished':
            run.result = result


class Fleet:
    """Runs trainings in threads, each one's work in processes of its own.

    Args:
        out (Path): The benchmark's folder.
        jobs (int): Trainings at a time.
        device (str, optional): ``cpu`` hides the GPUs; default: what the machine has.
        time_limit (float, optional): Seconds; then everything is stopped and can be resumed.
        report (Callable): Gets one line of text whenever a run starts or ends.
        inherit (Sequence[int]): File descriptors that the processes get, so that they hold the
            benchmark's folder; see :func:`medseg.engine.work_dir.only_one`.
    """

    def __init__(self, out: Path, jobs: int = 1, device: str | None = None,
                 time_limit: float | None = None,
                 report: Callable[[str], None] = print, inherit: Sequence[int] = ()) -> None:
        self.out, self.jobs, self.report = out, jobs, report
        self.inherit = tuple(inherit)
        self.deadline = time.monotonic() + time_limit if time_limit else None
        self.environment = dict(os.environ)
        threads = max(1, len(os.sched_getaffinity(0)) // jobs)
        for name in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS'):
            self.environment.setdefault(name, str(threads))
        if device and device.startswith('cpu'):
            self.environment['CUDA_VISIBLE_DEVICES'] = ''
        elif device and ':' in device:
            self.environment['CUDA_VISIBLE_DEVICES'] = device.split(':')[1]
        self._stop = threading.Event()
        self._processes: set[subprocess.Popen] = set()
        self._earlier: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def stop(self) -> None:
        """End all processes of this fleet; their runs can be resumed."""
        self._stop.set()
        with self._lock:
            for process in self._processes:
                _end_group(process)

    def call(self, tool: str, *words: str | Path, log: Path) -> None:
        """Run ``medseg.engine.train`` or ``.test`` with its output in ``log``.

        Raises:
            Stopped: The fleet was stopped.
            RuntimeError: The tool failed; the message is the end of its log.
        """
        with open(log, 'a', encoding='utf-8') as file, self._lock:
            if self._stop.is_set():
                raise Stopped
            process = subprocess.Popen(
                [sys.executable, '-m', f'medseg.engine.{tool}', *map(str, words)], stdout=file,
                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=self.environment,
                start_new_session=True, pass_fds=self.inherit)
            self._processes.add(process)
        try:
            code = process.wait(None if self.deadline is None
                                else max(0, self.deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._time_is_over()
            code = process.wait()
        with self._lock:
            self._processes.discard(process)
        if self._stop.is_set() and code:
            raise Stopped
        if code:
            lines = log.read_text(encoding='utf-8', errors='replace').splitlines()
            raise RuntimeError(f'exit code {code}: ' + '\n'.join(lines[-_LOG_LINES:]))

    def _execute(self, run: Run) -> None:
        config, done = Config.fromfile(run.folder / 'config.py'), False
        last = run.work / f'epoch_{config.train_cfg.max_epochs}.pth'
        previous = read_json(run.folder / 'run.json') \
            if (run.folder / 'run.json').is_file() else {}
        spent = previous.get('train_minutes', 0.0)
        result: dict[str, Any] = dict(
            name=run.name, config=run.config, seed=run.seed, fold=run.fold, variant=run.variant,
            settings=run.settings, error='')
        start = time.monotonic()
        try:
            done = last.is_file() and (run.work / 'last_checkpoint').is_file() and Path(
                (run.work / 'last_checkpoint').read_text().strip()).name == last.name
            if not done:
                self.call('train', run.folder / 'config.py', '--work-dir', run.work, '--resume',
                          '--no-report',
                          *(['--amp'] if run.amp else []), log=run.folder / 'train.log')
            spent += (time.monotonic() - start) / 60
            start, done = time.monotonic(), True
            self.call('test', run.folder / 'config.py', last, '--work-dir',
                      run.folder / 'test', log=run.folder / 'test.log')
            result.update(evaluation(run, config), status='finished', checkpoint=str(last),
                          test_minutes=round((time.monotonic() - start) / 60, 3))
        except Stopped:
            result['status'] = 'interrupted'
            spent += 0 if done else (time.monotonic() - start) / 60
        except Exception as error:  # one model's failure is a row; the others go on
            result.update(status='failed', error=f'{type(error).__name__}: {error}')
        result['train_minutes'] = round(spent, 3)
        result['curves'] = training_curves(run.work)
        write_json(run.folder / 'run.json', result)
        run.result = result

    def run(self, runs: Sequence[Run], header: dict[str, Any]) -> list[dict[str, Any]]:
        """Train and test all runs that are not finished.

        Args:
            runs (Sequence[Run]): Prepared ones; first the ones that shall start first.
            header (dict): What else ``results.json`` shall say.

        Returns:
            list[dict]: Every run's result, in the order given.
        """
        todo = [run for run in runs if run.result is None]
        if len(todo) < len(runs):
            self.report(f'{len(runs) - len(todo)} of {len(runs)} runs are finished already')
        self._earlier = _finished_before(self.out / 'train', runs)
        self._collect(runs, header)
        try:
            with ThreadPoolExecutor(self.jobs) as pool:
                futures = {pool.submit(self._start, run): run for run in todo}
                try:
                    for number, future in enumerate(as_completed(futures), start=1):
                        future.result()
                        self._collect(runs, header)
                        self.report(f'[{number}/{len(todo)}] {_line(futures[future])}')
                except BaseException:
                    self.stop()  # before the pool waits for its threads
                    raise
        finally:
            results = self._collect(runs, header)
        return results

    def _start(self, run: Run) -> None:
        if not self._stop.is_set():
            self.report(f'start: {run.name}')
            self._execute(run)

    def _time_is_over(self) -> None:
        if not self._stop.is_set():
            self.report('the time limit is reached; call again to go on')
            self.stop()

    def _collect(self, runs: Sequence[Run], header: dict[str, Any]) -> list[dict[str, Any]]:
        results = [run.result or dict(name=run.name, config=run.config, seed=run.seed,
                                      fold=run.fold, variant=run.variant, settings=run.settings,
                                      status='waiting', error='')
                   for run in runs]
        write_json(self.out / 'results.json',
                   dict(schema=SCHEMA, **header, runs=results + self._earlier))
        return results


def _finished_before(folder: Path, runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Finished runs of a folder that are not among ``runs`` but have their settings."""
    names = {run.name for run in runs}
    found = [read_json(path) for path in sorted(folder.glob('*/run.json'))
             if path.parent.name not in names]
    return [result for result in found if result.get('status') == 'finished'
            and any(result.get('settings') == run.settings for run in runs)]


def _end_group(process: subprocess.Popen) -> None:
    """End a process and the loader processes it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)


def _line(run: Run) -> str:
    result = run.result
    if result is None:
        return f'{run.name}: not started'
    if result['status'] != 'finished':
        last = result['error'].strip().splitlines()[-1:] or ['']
        return f'{run.name}: {result["status"]} {last[0]}'.rstrip()
    figures = ', '.join(f'{name} {result["metrics"][key]:.4f}' for name, key in (
        ('mask mAP', 'coco/segm_mAP'), ('mask mAP50', 'coco/segm_mAP_50'),
        ('box mAP', 'coco/bbox_mAP'), ('Dice', 'semantic/dice'))
        if result['metrics'].get(key) is not None)
    return f'{run.name}: {figures}; {result["train_minutes"]:.1f} min training'


def evaluation(run: Run, config: Config) -> dict[str, Any]:
    """Metrics, intervals and precision-recall curves of a tested run.

    Returns:
        dict: ``parameters``, ``metrics`` as tools/test.py wrote them, ``intervals`` by kind and
        figure, ``precision_recall`` of masks at IoU 0.5 by class, and ``resampled``, what was
        drawn.

    Raises:
        RuntimeError: The test wrote no metrics.
    """
    files = sorted((run.folder / 'test').glob('*/*.json'), key=lambda p: p.stat().st_mtime)
    if not files:
        raise RuntimeError(f'{run.folder}/test: tools/test.py wrote no metrics')
    metrics = {key: value if math.isfinite(value) else None
               for key, value in read_json(files[-1]).items()}
    parameters = sum(p.numel() for p in build_model(config).parameters())
    metric = next(m for loader, m in evaluators(config) if loader == 'test_dataloader')
    return dict(parameters=parameters, metrics=metrics, **intervals(metric, run.predictions))


def intervals(metric: dict[str, Any], predictions: Path) -> dict[str, Any]:
    """Intervals over patients and precision-recall curves, from prediction files.

    Args:
        metric (dict): Settings of the test's metric.
        predictions (Path): Prefix of the files; kinds that are not there are left out.

    Returns:
        dict: ``intervals``, ``precision_recall`` and ``resampled`` of :func:`evaluation`.
    """
    result: dict[str, Any] = dict(intervals={})
    for kind in ('bbox', 'segm'):
        path = predictions.with_name(f'{predictions.name}.{kind}.json')
        if path.is_file() and metric.get('ann_file'):
            matches = load_matches(metric['ann_file'], path, kind, metric.get('max_dets', 100))
            result['intervals'][kind] = bootstrap(matches.figures, matches.groups)
            result['resampled'] = matches.unit
            if kind == 'segm':
                result['precision_recall'] = {
                    name: found for name, one in zip(matches.names, matches.classes, strict=True)
                    if (found := one.curve())}
    areas = predictions.with_name(f'{predictions.name}.semantic.json')
    if areas.is_file():
        found = area_intervals(metric['ann_file'], areas, metric.get('score_thr', 0.0),
                               metric.get('nsd_tolerance_px', 3))
        result['intervals']['semantic'], result['resampled'] = found.values()
    return result
