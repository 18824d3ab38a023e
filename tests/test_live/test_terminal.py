"""The command line without a page: figures, records, clean ends."""
import json
import os
import re
import signal
import time

import pytest
from live_parts import ListSource, launch, texture

from medseg.live import terminal
from medseg.live.__main__ import main
from medseg.live.sources import SOURCES
from medseg.runtime.records import decode_mask, read_lines
from medseg.runtime.video import VideoError, VideoReader


def count(path):
    try:
        return len(list(VideoReader(path)))
    except VideoError:
        return 0


def test_every_frame_of_a_clip(model, clip, tmp_path, capsys):
    assert main([str(model), str(clip), '--no-page', '--every-frame', '--record',
                 str(tmp_path / 'r.mp4'), '--threads', '1']) == 0
    said = capsys.readouterr()
    assert re.search(r'ended: [\d.]+ frames/s, latency p50 \d+ p95 \d+ p99 \d+ ms, 50 shown, '
                     '0 dropped', said.out)
    assert 'r.jsonl: objects of 50 pictures' in said.err
    assert count(tmp_path / 'r.mp4') == 50
    lines = list(read_lines(tmp_path / 'r.jsonl'))
    assert [line['frame'] for line in lines] == list(range(50))
    assert all(line['latency_ms'] > 0 and line['input_scale'] == 1 for line in lines)
    assert {(item['track_id'], item['category_name']) for line in lines
            for item in line['objects']} == {(1, 'bone'), (2, 'nerve')}
    first = lines[10]['objects'][0]
    assert decode_mask(first['segmentation']).sum() == first['area'] > 1000


@pytest.mark.parametrize('words, message', [
    (['none.onnx', '{clip}', '--no-page'], 'none.onnx: no such file'),
    (['{model}', 'none.mp4', '--no-page'], 'none.mp4: no such file, folder, camera or stream'),
    (['{clip}', '{clip}', '--no-page'], 'is no model; give an .onnx file'),
    (['{model}', '{clip}', '--no-page', '--import', 'no.such.module'],
     '--import no.such.module: No module named'),
    (['{tmp}', '{clip}'], 'no .onnx or .xml file in this folder'),
    (['{model}', '{clip}', '--host', '192.0.2.7'], '--host 192.0.2.7 --port 8765: cannot listen'),
])
def test_wrong_input(model, clip, tmp_path, capsys, words, message):
    words = [word.format(model=model, clip=clip, tmp=tmp_path) for word in words]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert message in said and said.startswith('error: ') and said.count('\n') == 1


@pytest.mark.parametrize('words, message', [
    (['m.onnx', 's', '--record', 'r.mp4'], '--record goes with --no-page'),
    (['m.onnx', '--no-page'], '--no-page needs one SOURCE'),
    (['m.onnx', 's', '--no-page', '--record', 'r.avi'], 'the name must end in .mp4'),
    (['m.onnx', 's', '--token', 'short'], '--token: needs at least 16 letters'),
    (['m.onnx', 's', '--budget-ms', '0'], 'must be above 0'),
])
def test_wrong_options(capsys, words, message):
    with pytest.raises(SystemExit):
        main(words)
    assert message in capsys.readouterr().err


def test_source_failure_is_told(segmenter, model, tmp_path, capsys, monkeypatch):
    from medseg.live.sources import SourceError
    monkeypatch.setitem(SOURCES, 'list', lambda text: ListSource(
        [texture(), texture(seed=1), SourceError('list: 2 of 9 frames could be read')]))
    assert main([str(model), 'list:', '--no-page', '--every-frame', '--jsonl',
                 str(tmp_path / 'r.jsonl')]) == 1
    assert 'list: 2 of 9 frames could be read' in capsys.readouterr().err
    assert len(list(read_lines(tmp_path / 'r.jsonl'))) <= 2


def start(model, clip, folder):
    process = launch(model, clip, '--no-page', '--record', folder / 'r.mp4', '--threads', 1,
                     '--import', 'live_endless')
    give_up = time.monotonic() + 60
    lines = folder / 'r.jsonl'
    while not (lines.is_file() and lines.stat().st_size > 8000):
        assert process.poll() is None and time.monotonic() < give_up, process.stdout.read()
        time.sleep(0.02)
    return process


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_stopped(model, tmp_path, number):
    process = start(model, 'endless:', tmp_path)
    os.killpg(process.pid, number)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 130 and 'Traceback' not in said
    assert re.search(r'r\.mp4: \d+ frames recorded', said) and 'stopped: ' in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ['r.jsonl', 'r.mp4']
    assert count(tmp_path / 'r.mp4') > 2
    assert len(list(read_lines(tmp_path / 'r.jsonl'))) > 2


def test_killed_and_started_again(model, tmp_path):
    process = start(model, 'endless:', tmp_path)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    lines = list(read_lines(tmp_path / 'r.jsonl'))
    assert len(lines) > 2
    give_up = time.monotonic() + 20
    while count(tmp_path / 'r.part.mp4') < 3:
        assert time.monotonic() < give_up
        time.sleep(0.1)
    # The next one takes other names.
    assert main([str(model), 'endless:3', '--no-page', '--record', str(tmp_path / 'r.mp4'),
                 '--every-frame', '--import', 'live_endless']) == 0
    assert list(read_lines(tmp_path / 'r.jsonl')) == lines
    assert count(tmp_path / 'r-2.mp4') == 3
    assert len(list(read_lines(tmp_path / 'r-2.jsonl'))) == 3


def test_figures():
    summary = dict(state='live', fps=24.96, p50=20.2, p95=31.0, p99=40.4, pictures=500, dropped=2,
                   skipped=1, scale=0.7, budget_ms=30, budget_kept=False)
    assert terminal.figures(summary) == (
        'live: 25.0 frames/s, latency p50 20 p95 31 p99 40 ms, 500 shown, 3 dropped, input 70 %, '
        'over the budget')
    assert json.dumps(summary)
