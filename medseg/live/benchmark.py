"""Latency, drops, processor time and memory of the live engine on a source of a set speed.

    python -m medseg.live.benchmark MODEL [MODEL ...] --clip CLIP.mp4

The clip's frames lie in memory, at each --size, and come at each --rate, as from a camera that
costs nothing. Beside each run stands what the network does alone, one frame after another, in the
same process; bars are ratios of the two, which a busy machine changes less than milliseconds.
Pictures and memory of the first --warm-up seconds count for nothing: libraries fill their caches,
and the allocator finds out how much a frame needs.
"""
from __future__ import annotations

import argparse
import datetime
import os
import sys
import time
from array import array
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from medseg.errors import UserError
from medseg.io import write_json
from medseg.runtime import Segmenter, SemanticSegmenter, open_model
from medseg.runtime.processor import cpu_name
from medseg.runtime.session import BACKENDS, backend_version, pick_backend
from medseg.runtime.video import VideoReader
from medseg.tables import fill, markdown, require_place

from .engine import Engine, Picture, Settings
from .sources import Pace, Source

#: Frames of the clip that are kept in memory.
KEPT = 60
#: Share of a run, and most seconds of it, that are warm-up unless it is said otherwise.
WARM_UP = (0.2, 60.0)


class MemorySource(Source):
    """Frames from memory at a set speed, forth and back, for some seconds.

    Args:
        frames (Sequence[np.ndarray]): BGR, (H, W, 3) uint8.
        rate (float): Frames a second.
        seconds (float): After which it ends.
    """

    name = 'memory'

    def __init__(self, frames: Sequence[np.ndarray], rate: float, seconds: float) -> None:
        self._frames, self.rate = [*frames, *frames[-2:0:-1]], rate
        self._left, self._pace = round(seconds * rate), Pace(rate)
        self._index = 0

    def read(self) -> np.ndarray | None:
        if self._index >= self._left:
            return None
        self._pace.wait()
        frame = self._frames[self._index % len(self._frames)]
        self._index += 1
        return frame


def resident_mb() -> float:
    """Memory of this process that is in use, megabytes."""
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') / 2**20


def network_alone(segmenter: Segmenter | SemanticSegmenter, frames: Sequence[np.ndarray],
                  seconds: float) -> np.ndarray:
    """Milliseconds of each of some runs of the network, one after another; nothing but it."""
    blob, _ = segmenter.preprocess(frames[0])
    feeds = {segmenter.session.inputs[0].name: blob}
    for _ in range(5):
        segmenter.session.run(feeds)
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        segmenter.session.run(feeds)
        times.append(1e3 * (time.perf_counter() - start))
    return np.array(times)


def slope(minutes: Sequence[float], values: Sequence[float]) -> float | None:
    """Growth per minute of a line through all values; None where there are less than three."""
    return float(np.polyfit(minutes, values, 1)[0]) if len(values) > 2 else None


def run(segmenter: Segmenter | SemanticSegmenter, frames: Sequence[np.ndarray], rate: float,
        seconds: float, settings: Settings | None = None, warm_up: float | None = None
        ) -> dict[str, float | None]:
    """One run of the engine.

    Args:
        segmenter (Segmenter | SemanticSegmenter): The model.
        frames (Sequence[np.ndarray]): Of the source.
        rate (float): Frames a second.
        seconds (float): How long, the warm-up included.
        settings (Settings, optional): Of the engine.
        warm_up (float, optional): Seconds that do not count; see :data:`WARM_UP`.

    Returns:
        dict: ``network_ms`` (median of the network alone, half of it before and half after the
        run), ``p50``, ``p95``, ``p99`` (ms from capture to picture), ``fps``, ``dropped`` (share
        of the frames), ``cpu`` (cores), ``memory_mb`` and its ``growth_mb_min`` (slope),
        ``p95_ratio`` (p95 by network), ``fps_ratio`` (by what network and source allow), all after
        the ``warm_up``; ``seconds``, ``load`` (of the machine, when it began and at the end) and
        ``objects`` (median shown in a picture).

    Raises:
        UserError: The engine failed, or gave no picture after the warm-up.
    """
    load = os.getloadavg()[0]
    settings = settings or Settings()
    warm_up = min(WARM_UP[0] * seconds, WARM_UP[1]) if warm_up is None else warm_up
    alone = [network_alone(segmenter, frames, min(3.0, seconds / 4))]
    engine = Engine(segmenter, 'memory', settings,
                    opener=lambda: MemorySource(frames, rate, seconds))
    # Of machine numbers, so that what measures memory takes none to speak of.
    drawn, latencies, objects = array('d'), array('d'), array('i')
    minutes, memory = array('d'), array('d')

    def note(picture: Picture) -> None:
        if picture.times.captured >= counts:
            drawn.append(picture.times.drawn)
            latencies.append(picture.times.latency_ms)
            objects.append(len(picture.found))

    engine.add_sink(note)
    counts = time.perf_counter() + warm_up
    engine.start()
    ended, before = engine.wait(warm_up), engine.captured
    began, cpu = time.perf_counter(), sum(os.times()[:2])
    while not ended:
        ended = engine.wait(0.5)
        minutes.append((time.perf_counter() - began) / 60)
        memory.append(resident_mb())
    took, cpu = time.perf_counter() - began, sum(os.times()[:2]) - cpu
    captured = engine.captured - before
    engine.stop()
    if engine.state == 'failed':
        raise UserError(engine.events[-1][2])
    if not latencies:
        raise UserError(f'no picture in {seconds:g} seconds of which {warm_up:g} are warm-up; '
                        'give more --seconds')
    alone.append(network_alone(segmenter, frames, min(3.0, seconds / 4)))
    network = float(np.median(np.concatenate(alone)))
    fps = len(drawn) / took
    p50, p95, p99 = np.percentile(latencies, [50, 95, 99])
    return dict(network_ms=network, p50=p50, p95=p95, p99=p99, fps=fps,
                dropped=max(1 - len(drawn) / captured, 0.0), cpu=cpu / took,
                memory_mb=resident_mb(), growth_mb_min=slope(minutes, memory),
                p95_ratio=p95 / network, fps_ratio=fps / min(rate, 1e3 / network), load=load,
                load_end=os.getloadavg()[0], objects=float(np.median(objects)),
                seconds=seconds, warm_up=warm_up)


def read_frames(clip: Path, size: tuple[int, int]) -> list[np.ndarray]:
    """The first frames of a clip at another size (width, height).

    Raises:
        UserError: It cannot be read.
    """
    frames = []
    for frame in VideoReader(clip):
        frames.append(cv2.resize(frame, size, interpolation=cv2.INTER_AREA))
        if len(frames) == KEPT:
            break
    if len(frames) < 3:
        raise UserError(f'{clip}: needs at least 3 frames')
    return frames


def table(rows: Sequence[dict]) -> str:
    """A Markdown table of runs."""
    header = ['model, backend', 'frames', 'per second', 'network, ms', 'p50', 'p95', 'p99, ms',
              'p95 / network', 'shown per second', 'of what is possible', 'dropped', 'objects',
              'cores', 'MB', 'MB per minute', 'load']
    return markdown(header, [
        [row['name'], row['size'], f'{row["rate"]:g}', f'{row["network_ms"]:.1f}',
         f'{row["p50"]:.1f}', f'{row["p95"]:.1f}', f'{row["p99"]:.1f}', f'{row["p95_ratio"]:.2f}',
         f'{row["fps"]:.1f}', f'{row["fps_ratio"]:.2f}', f'{100 * row["dropped"]:.0f} %',
         f'{row["objects"]:.0f}', f'{row["cpu"]:.2f}', f'{row["memory_mb"]:.0f}',
         '–' if row['growth_mb_min'] is None else f'{row["growth_mb_min"]:.2f}',
         f'{row["load"]:.1f} to {row["load_end"]:.1f}']
        for row in rows])


def caption(rows: Sequence[dict]) -> str:
    """Under what conditions a table was measured, as a line of Markdown."""
    first = rows[0]
    return (f'Made {datetime.date.today()}; {cpu_name()}, {len(os.sched_getaffinity(0))} cores, '
            f'no GPU used; runs of {first["seconds"]:g} seconds, of which the first '
            f'{first["warm_up"]:g} are warm-up and count for nothing; memory as the slope of a '
            'line through two values per second; load of the machine at the beginning and the '
            'end of each run.')


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition('x')
    if not (width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f"'{text}' is not WIDTHxHEIGHT, as in 1080x720")
    return int(width), int(height)


def main(argv=None) -> int:
    """Measure and print; returns 0, or 2 on wrong input."""
    parser = argparse.ArgumentParser(
        prog='python -m medseg.live.benchmark', description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('models', nargs='+', metavar='[NAME=]MODEL')
    parser.add_argument('--clip', type=Path, required=True, help='video whose frames are shown')
    parser.add_argument('--backend', nargs='+', choices=BACKENDS, default=['openvino'])
    parser.add_argument('--threads', type=int, help='threads of the backend')
    parser.add_argument('--size', nargs='+', type=_size, default=[(1080, 720), (1920, 1080)])
    parser.add_argument('--rate', nargs='+', type=float, default=[25, 30, 60])
    parser.add_argument('--seconds', type=float, default=20, help='of each run (default: 20)')
    parser.add_argument('--warm-up', type=float, metavar='SECONDS', help='of these, how many do '
                        f'not count (default: {100 * WARM_UP[0]:g} %%, at most {WARM_UP[1]:g})')
    parser.add_argument('--budget-ms', type=float)
    parser.add_argument('--json', type=Path, help='where the figures go as well')
    parser.add_argument('--docs', type=Path, help='document whose table is filled')
    parser.add_argument('--table', default='live-benchmark', help='name of the table there')
    args = parser.parse_args(argv)
    if args.seconds <= 0 or not 0 <= (args.warm_up or 0) < args.seconds:
        parser.error('--seconds must be above 0 and --warm-up less')
    rows = []
    try:
        if args.docs:
            require_place(args.docs, args.table)
        for text in args.models:
            name, _, path = text.rpartition('=')
            for backend in args.backend:
                version = backend_version(pick_backend(Path(path), backend))
                segmenter = open_model(path, backend, args.threads)
                for size in args.size:
                    frames = read_frames(args.clip, size)
                    for rate in args.rate:
                        result = run(segmenter, frames, rate, args.seconds,
                                     Settings(budget_ms=args.budget_ms), args.warm_up)
                        rows.append(dict(result, name=f'{name or Path(path).stem}, {backend} '
                                         f'{version}', size=f'{size[0]}×{size[1]}', rate=rate))
                        print(table(rows[-1:]).splitlines()[-1], flush=True)
    except UserError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    text = f'{table(rows)}\n\n{caption(rows)}'
    print(text)
    if args.json:
        write_json(args.json, rows, indent=1)
    if args.docs:
        fill(args.docs, args.table, text)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
