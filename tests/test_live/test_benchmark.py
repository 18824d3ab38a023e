"""Figures of the live view: what is counted, and what is said about how it was measured."""
import numpy as np
import pytest

from medseg.live import benchmark
from medseg.live.benchmark import MemorySource, network_alone, run, slope
from medseg.tables import fill

ROWS = ('network_ms', 'p50', 'p95', 'p99', 'fps', 'dropped', 'cpu', 'memory_mb', 'growth_mb_min',
        'p95_ratio', 'fps_ratio', 'load', 'load_end', 'objects', 'seconds', 'warm_up')


def test_slope():
    """Two megabytes a minute, with a saw on it; nothing from two values."""
    minutes = np.arange(0, 10, 1 / 120)
    assert slope(minutes, 400 + 2 * minutes) == pytest.approx(2)
    assert slope(minutes, 400 + 10 * (minutes * 6 % 1)) == pytest.approx(0, abs=0.1)
    assert slope([0, 1], [400, 410]) is None


def test_what_comes_before_the_warm_up_is_over_does_not_count(segmenter, monkeypatch):
    """A network that takes 20 ms, and 300 ms for each of its first two frames."""
    frames = [np.full((48, 64, 3), level, np.uint8) for level in (10, 80, 160)]
    infer, calls = segmenter.session.run, []

    def slow(feeds):
        calls.append(0)
        benchmark.time.sleep(0.3 if engine_began and len(calls) - engine_began[0] < 3 else 0.02)
        return infer(feeds)

    engine_began = []

    class Source(MemorySource):
        def __init__(self, *words):
            engine_began.append(len(calls))
            super().__init__(*words)

    monkeypatch.setattr(segmenter.session, 'run', slow)
    monkeypatch.setattr(benchmark, 'MemorySource', Source)
    found = run(segmenter, frames, 15, 2.4, warm_up=1.2)
    assert tuple(found) == ROWS
    assert 20 <= found['network_ms'] < 60 and found['p99'] < 290
    assert found['p50'] <= found['p95'] <= found['p99'] and found['objects'] == 2
    assert found['p95_ratio'] == pytest.approx(found['p95'] / found['network_ms'])
    assert 3 < found['fps'] <= 16 and found['fps_ratio'] == pytest.approx(found['fps'] / 15)
    assert (found['seconds'], found['warm_up']) == (2.4, 1.2)


def test_the_network_alone_is_nothing_but_the_network(segmenter, monkeypatch):
    monkeypatch.setattr(segmenter, 'postprocess', None)
    assert (network_alone(segmenter, [np.zeros((48, 64, 3), np.uint8)], 0.05) > 0).all()


def test_table_and_caption_go_into_a_document(model, clip, tmp_path, capsys):
    page = tmp_path / 'page.md'
    page.write_text('before\n<!-- table: live-benchmark -->\n<!-- end of table -->\nafter\n')
    words = [f'constant={model}', '--clip', str(clip), '--backend', 'onnxruntime', '--size',
             '64x48', '--rate', '25', '--seconds', '0.8', '--warm-up', '0.2', '--threads', '1']
    assert benchmark.main([*words, '--docs', str(page), '--json', str(tmp_path / 'r.json')]) == 0
    text = page.read_text()
    assert text.startswith('before') and text.endswith('after\n')
    assert '| constant, onnxruntime ' in text and '| 64×48 | 25 |' in text
    assert 'runs of 0.8 seconds, of which the first 0.2 are warm-up' in text
    assert '"growth_mb_min"' in (tmp_path / 'r.json').read_text()
    capsys.readouterr()
    fill(page, 'live-benchmark', 'nothing')
    assert benchmark.main([*words, '--docs', str(page), '--table', 'another']) == 2
    assert 'needs one "<!-- table: another -->"' in capsys.readouterr().err
    assert benchmark.main([*words, '--seconds', '0.05', '--warm-up', '0.049']) == 2
    assert 'no picture in 0.05 seconds of which 0.049 are warm-up' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        benchmark.main([*words, '--warm-up', '3'])
