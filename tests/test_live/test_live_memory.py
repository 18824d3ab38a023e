"""Nothing is kept of pictures that are gone: engine, page, overlay, recordings."""
import gc
import tracemalloc
from pathlib import Path

from live_parts import ListSource, texture, until

import medseg
from medseg.live import studio as studio_module
from medseg.live.engine import Engine
from medseg.live.timing import Statistics

#: Pictures before the first count, and between the two.
WARM_UP, MORE = 60, 180


def blocks():
    """How many pieces of memory that the library asked Python and numpy for are held."""
    gc.collect()
    snapshot = tracemalloc.take_snapshot().filter_traces(
        [tracemalloc.Filter(True, str(Path(medseg.__file__).parent / '*'))])
    return sum(entry.count for entry in snapshot.statistics('filename'))


class Gate(ListSource):
    """Pictures of changing objects' places, counted at two of them."""

    def __init__(self):
        super().__init__([])
        self.given, self.counts = 0, {}
        self.images = [texture(48, 64, seed) for seed in range(5)]

    def read(self):
        if self.given in (WARM_UP, WARM_UP + MORE):
            until(lambda: self.done() >= self.given - 1)
            self.counts[self.given] = blocks()
        self.given += 1
        return self.images[self.given % 5] if self.given <= WARM_UP + MORE + 1 else None


def grown(engine, source):
    source.done = lambda: engine.statistics.pictures
    engine.statistics = Statistics(window=10)
    tracemalloc.start()
    try:
        engine.start()
        assert engine.wait(120)
    finally:
        tracemalloc.stop()
        engine.stop()
    assert engine.statistics.pictures >= WARM_UP + MORE
    return source.counts[WARM_UP + MORE] - source.counts[WARM_UP]


def test_the_engine_keeps_nothing(segmenter):
    source = Gate()
    engine = Engine(segmenter, 'gate', every_frame=True, opener=lambda: source)
    assert grown(engine, source) < MORE / 2


def test_what_is_kept_is_seen(segmenter):
    """The measure of this file: one number kept of each picture is enough to fail."""
    source, kept = Gate(), {}
    engine = Engine(segmenter, 'gate', every_frame=True, opener=lambda: source)
    engine.add_sink(lambda picture: kept.setdefault(picture.number, picture.times.drawn))
    assert grown(engine, source) >= MORE / 2


def test_the_page_keeps_nothing(model, tmp_path, monkeypatch):
    """With a viewer and a recording, whose lines and pictures go to the disk."""
    source = Gate()

    def engine_on_it(segmenter, name, settings, loop, **options):
        return Engine(segmenter, name, settings, True, opener=lambda: source, **options)

    monkeypatch.setattr(studio_module, 'Engine', engine_on_it)
    monkeypatch.setattr(Engine, 'start', lambda engine: engine)
    studio = studio_module.Studio([model], ['gate'], tmp_path, threads=1)
    try:
        studio.join(lambda: None)
        monkeypatch.undo()
        studio.start_recording()
        assert grown(studio.engine, source) < MORE / 2
        assert studio.jpeg is not None and studio.recorder.active
    finally:
        studio.close()
    assert len(studio.recordings) == 2
