"""tools/reproduce_paper.py: what is trained, how long it takes, ours beside the paper's."""
import json
from pathlib import Path

import pytest
from tiny_coco import make_tiny_coco
from tool_runs import load_tool

from projects.lmsfa.paper import reproduction

TOOL = 'tools/reproduce_paper.py'


def test_every_row_is_trained_once():
    every = reproduction.needed_configs(reproduction.TABLES)
    assert len(every) == len(set(every)) == 33
    one, = (t for t in reproduction.TABLES if t.number == 'V')
    assert len(reproduction.needed_configs([one])) == 8


def test_estimate_by_hand():
    gflops = {'x/a.py': 10.0, 'x/b.py': 30.0}
    # 20 s to start; 3 passes with 1.4 times the work, 42 GFLOP per image; 100 images, 2 epochs
    first = reproduction.estimate(gflops, 100, 2, 1, rate=10)
    assert first == pytest.approx({'x/a.py': (20 + 840) / 60, 'x/b.py': (20 + 2520) / 60})
    # a mosaic reads four images of 3 s: 12 s each, beside the 4.2 s or in two processes
    assert reproduction.estimate(gflops, 100, 2, 1, 10, 3)['x/a.py'] == pytest.approx(
        (20 + 200 * 16.2) / 60)
    assert reproduction.estimate(gflops, 100, 2, 1, 10, 3, 2)['x/a.py'] == pytest.approx(
        (20 + 200 * 6) / 60)
    # a took half as long as expected: so will b; of two seeds of a one is left
    runs = [dict(status='finished', config='y/a.py', train_minutes=first['x/a.py'] / 2),
            dict(status='failed', config='y/b.py', train_minutes=1.0)]
    found = reproduction.estimate(gflops, 100, 2, 1, 10, finished=runs)
    assert found == pytest.approx({'x/a.py': 0, 'x/b.py': first['x/b.py'] / 2})
    again = reproduction.estimate(gflops, 100, 2, 2, 10, finished=runs)
    assert again['x/a.py'] == pytest.approx(first['x/a.py'] / 2)
    assert [reproduction.duration(m) for m in (0.2, 42, 150, 9 * 24 * 60)] == [
        '< 1 min', '42 min', '2.5 h', '9.0 days']


def test_ours_beside_the_papers():
    table, = (t for t in reproduction.TABLES if t.number == 'II')
    rows = [dict(title='LMSF-A', paper=dict(mask_map50=74.4, mask_map=43.0),
                 own=dict(mask_map50=70.44), errors={},
                 accuracy=dict(intervals=dict(mask_map50=[65.0, 75.0]))),
            dict(title='YOLACT', paper={}, own={}, errors={'latency fp32': 'no memory\nmore'})]
    text = reproduction.side_by_side(table, rows)
    assert '**Table II: accuracy of instance-segmentation models on PELD**' in text
    assert '| LMSF-A | 70.4 (65.0 to 75.0) | 74.4 | -4.0 | - | 43 |' in text
    assert 'Not measured: YOLACT: latency fp32: no memory' in text and 'more' not in text


def test_plan_and_the_calls_of_the_benchmark(tmp_path, monkeypatch, capsys, error_of):
    data, out = make_tiny_coco(tmp_path / 'data', num_images=4, size=96), tmp_path / 'out'
    base, tool = 'lmsfa-n_base_1xb8-300e_peld', load_tool(TOOL)
    words = ['--data-root', str(data), '--out', str(out), '--size', '64', '--budget', '1',
             '--tables', 'III', 'V', '--only', base, '--device', 'cpu']
    monkeypatch.setattr(tool, 'benchmark', None)  # a dry run starts nothing
    assert tool.main([*words, '--dry-run']) == 0
    out_text = capsys.readouterr()
    assert f'| {base} | 0.1 | < 1 min |' in out_text.out
    assert '12 images (4 / 4 / 4), 36 instances (the paper: 610' in out_text.err
    calls = []

    def benchmark(*call):
        calls.append([str(word) for word in call])
        if '--suite' in call:
            row = dict(config=f'x/{base}.py', title='baseline', own=dict(mask_map=12.3),
                       paper=dict(mask_map=40.9), errors={})
            other = dict(row, config='x/other.py', title='other')
            folder = Path(call[call.index('--out') + 1])
            folder.mkdir(parents=True)
            (folder / 'report.json').write_text(json.dumps(dict(rows=[row, other])))
        return 0

    monkeypatch.setattr(tool, 'benchmark', benchmark)
    assert tool.main([*words, '--measure']) == 0
    train, report = calls
    assert Path(train[0]).name == f'{base}.py' and '--train' in train
    assert train[train.index('--train-size') + 1] == '64'
    assert report[:4] == ['--suite', 'table5', '--only', 'none']
    text = (out / 'paper_tables.md').read_text()
    assert 'Table III' in text and '| baseline | - | 72 |' not in text
    assert '| 12.3 | 40.9 | -28.6 |' in text and 'other' not in text.split('**Table V')[0].lower()[
        text.lower().index('table iii'):]
    assert 'nothing: is in none of the tables' in error_of(TOOL, *words[:-3], 'nothing')
    assert 'instances_train.json: no such file; convert and split' in error_of(
        TOOL, '--data-root', tmp_path)
