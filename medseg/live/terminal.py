"""The live engine without a page: a line of figures, recordings, JSON Lines."""
from __future__ import annotations

import argparse
import sys
import time

from medseg.runtime import open_model
from medseg.runtime.interruption import EXIT_CODE, stops_cleanly

from .engine import Engine, Settings
from .recorder import LineWriter, Recorder, free_name
from .results import picture_record
from .sources import open_at_its_speed, open_source

#: Seconds between two lines of figures where nobody looks at a terminal.
_PERIOD_S = 10.0


def figures(summary: dict) -> str:
    """One line of what :meth:`.engine.Engine.summary` tells."""
    if 'p50' not in summary:
        return f'{summary["state"]}: no picture yet'
    small = f', input {100 * summary["scale"]:.0f} %' if summary['scale'] < 1 else ''
    late = ', over the budget' if summary['budget_ms'] and not summary['budget_kept'] else ''
    return (f'{summary["state"]}: {summary["fps"]:.1f} frames/s, latency p50 {summary["p50"]:.0f} '
            f'p95 {summary["p95"]:.0f} p99 {summary["p99"]:.0f} ms, {summary["pictures"]} shown, '
            f'{summary["dropped"] + summary["skipped"]} dropped{small}{late}')


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run until the source ends, or Ctrl-C or SIGTERM; returns the exit code.

    Raises:
        UserError: The model or the source cannot be used.
    """
    def report(level: str, text: str) -> None:
        print(f'\r\033[K{text}' if sys.stderr.isatty() else text, file=sys.stderr, flush=True)

    segmenter = open_model(args.model, args.backend, args.threads)
    # Opened here first, so that what is missing is an error before anything is written.
    name = args.source[0]
    first = [open_source(name) if args.every_frame else open_at_its_speed(name)]

    def opener():
        return first.pop() if first else open_at_its_speed(name)

    engine = Engine(segmenter, name, settings, args.every_frame, report=report, opener=opener)
    recorder, lines = None, None
    try:
        if args.record:
            recorder = Recorder(args.record, first[0].rate, lambda text: report('info', text),
                                paced=not args.every_frame)
        jsonl = args.jsonl or (args.record and recorder.path.with_suffix('.jsonl'))
        if jsonl:
            lines = LineWriter(free_name(jsonl), lambda text: report('warning', text))
    except BaseException:
        first[0].close()
        raise

    def keep(picture) -> None:
        if recorder is not None:
            recorder.add(picture.image, picture.times.captured)
        if lines is not None:
            lines.write(picture_record(picture))

    engine.add_sink(keep)
    stopped = False
    try:
        with stops_cleanly():
            engine.start()
            told = time.monotonic()
            while not engine.wait(0.5):
                if sys.stderr.isatty():
                    print(f'\r\033[K{figures(engine.summary())}', end='', file=sys.stderr,
                          flush=True)
                elif time.monotonic() - told > _PERIOD_S:
                    told = time.monotonic()
                    print(figures(engine.summary()), file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        stopped = True
    with stops_cleanly():
        engine.stop()
        if recorder is not None:
            recorder.close()
        if lines is not None:
            lines.close()
            report('info', f'{lines.path}: objects of {engine.statistics.pictures} pictures')
    print(figures(engine.summary()))
    return EXIT_CODE if stopped else int(engine.state == 'failed')
