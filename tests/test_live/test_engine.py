"""Newest frame wins; sources that end, freeze, change size or are lost; clean ends."""
import threading

import numpy as np
import pytest
from live_parts import ListSource, texture, until

from medseg.live import engine as engine_module
from medseg.live.engine import Engine, Settings
from medseg.live.sources import SourceError


@pytest.fixture
def run(segmenter, monkeypatch):
    """Factory: an engine on lists of frames, one list each time the source is opened."""
    monkeypatch.setattr(engine_module, 'FREEZE_S', 0.3)
    monkeypatch.setattr(engine_module, 'RETRY_S', (0.02, 0.04))
    started = []

    def start(*lists, live=False, **options):
        def opener():
            if not left:
                raise SourceError('list: cannot be opened')
            return ListSource(left.pop(0), live)

        left = list(lists)
        heard = []
        engine = Engine(segmenter, 'list', report=lambda level, text: heard.append(text),
                        opener=opener, **options)
        engine.heard, engine.pictures = heard, []
        engine.add_sink(engine.pictures.append)
        started.append(engine)
        return engine.start()

    yield start
    for engine in started:
        engine.stop()
    names = {thread.name for thread in threading.enumerate()}
    assert not names & {'capture', 'infer', 'draw', 'watch'}


def test_newest_frame_wins(run, segmenter):
    """While the first frame is worked on nine more come: the last is next, eight are dropped."""
    lock, all_read = threading.Lock(), threading.Event()
    lock.acquire()
    frames = [texture(seed=seed) for seed in range(10)]
    engine = run([frames[0], all_read, *frames[1:]], lock=lock)
    until(lambda: engine._frames._item is None and engine.captured == 1)
    all_read.set()
    until(lambda: engine.captured == 10)
    lock.release()
    assert engine.wait(30)
    assert [picture.number for picture in engine.pictures] == [0, 9]
    assert (engine.pictures[1].frame == frames[9]).all()
    summary = engine.summary()
    assert summary['dropped'] == 8 and summary['captured'] == 10 and summary['pictures'] == 2
    assert engine.state == 'ended' and engine.heard == ['list: ended after 10 frames']


def test_every_frame(run):
    engine = run([texture(seed=seed) for seed in range(12)], every_frame=True)
    assert engine.wait(30)
    assert [picture.number for picture in engine.pictures] == list(range(12))
    for picture in engine.pictures:
        times = picture.times
        assert 0 < times.captured <= times.taken <= times.found <= times.drawn
        assert times.latency_ms == pytest.approx(sum(times.parts_ms().values()))
        assert picture.found.labels.tolist() == [1, 3]
    assert engine.summary()['p50'] <= engine.summary()['p95'] <= engine.summary()['p99']


def test_lost_and_back(run):
    engine = run([texture(seed=1)] * 2 + [SourceError('list: the connection was lost')],
                 [texture(seed=2)] * 2 + [threading.Event()], live=True)
    until(lambda: engine.captured == 4)
    until(lambda: 'list: is back' in engine.heard)
    assert engine.heard[0] == 'list: the connection was lost; trying again'
    assert engine.state in ('live', 'frozen')


def test_never_there(run):
    engine = run()
    until(lambda: engine.state == 'failed')
    assert engine.heard == ['list: cannot be opened']


def test_frozen_picture(run):
    """The same picture again and again is as frozen as none at all."""
    more = threading.Event()
    engine = run([texture()] * 3 + [more, texture(seed=1), texture(seed=2)] +
                 [threading.Event()], live=True)
    until(lambda: engine.state == 'frozen')
    assert engine.heard == ['list: no new picture for 0 seconds']
    more.set()
    until(lambda: engine.captured == 5)
    assert 'list: is back' in engine.heard


def test_size_changes(run):
    engine = run([texture(), texture(), texture(90, 200)], every_frame=True)
    assert engine.wait(30)
    assert engine.heard[0] == 'list: the size changed from 160x120 to 200x90'
    assert engine.pictures[-1].image.shape == (90, 200, 3)
    assert engine.pictures[-1].found.masks.shape == (2, 90, 200)


def test_a_failing_model_ends_the_stream(run, segmenter):
    segmenter.metadata['input_size'] = [32, 32]
    engine = run([texture(), threading.Event()])
    until(lambda: engine.state == 'failed')
    assert 'does not fit the static input of 32 x 32' in engine.heard[0]
    assert engine.wait(30)


def test_settings_between_frames(run):
    go = threading.Event()
    engine = run([texture(), go, texture(seed=1), texture(seed=2)], every_frame=True,
                 settings=Settings(threshold=0.25))
    until(lambda: len(engine.pictures) == 1)
    assert engine.pictures[0].found.labels.tolist() == [1, 3]
    engine.settings.threshold = 0.95
    go.set()
    assert engine.wait(30)
    # Shown objects stay down to 0.6 of the threshold, 0.57.
    assert engine.pictures[-1].found.labels.tolist() == [1, 3]
    engine.settings.threshold = 0.8
    assert (engine.redraw(engine.latest) != engine.latest.image).any()
    engine.settings.style.hidden = {0, 1, 2, 3}
    assert (engine.redraw(engine.latest) == engine.latest.frame).all()


def test_memory_is_bounded(run):
    """However many frames come, the engine holds but a few."""
    import gc
    engine = run([texture() for _ in range(60)], every_frame=True)
    engine.remove_sink(engine.pictures.append)
    assert engine.wait(60)
    engine.pictures.clear()  # those from before it was taken away
    gc.collect()
    held = [item for item in gc.get_objects() if isinstance(item, engine_module.Picture)]
    assert engine.statistics.pictures == 60 and len(held) <= 1
    assert np.shares_memory(held[0].frame, engine.latest.frame)
