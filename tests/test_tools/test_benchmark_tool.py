"""tools/benchmark.py from end to end, on tiny models."""
import functools
import json
import subprocess

import pytest
from tool_runs import ROOT, load_tool, write_tiny_config

from medseg.benchmark.worker import Worker
from medseg.engine.work_dir import only_one


@pytest.fixture(scope='module')
def tool():
    return load_tool('tools/benchmark.py')


@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
    """Two tiny configs, one that cannot be built, and their folder."""
    folder = tmp_path_factory.mktemp('benchmark')
    first = write_tiny_config(folder)
    second, broken = folder / 'second.py', folder / 'broken.py'
    second.write_text(f"_base_ = '{first}'\nmodel = dict(mask_head=dict(num_classes=3))\n")
    broken.write_text(f"_base_ = '{first}'\nmodel = dict(mask_head=dict(in_channels=(3, 5, 7)))\n")
    return folder, [str(first), str(second), str(broken)]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    monkeypatch.chdir(ROOT)


def test_measures_and_resumes(tool, tiny, monkeypatch, capsys):
    folder, configs = tiny
    out, asked = folder / 'measured', []
    ask = Worker.ask
    monkeypatch.setattr(Worker, 'ask', lambda self, **request: (
        asked.append((request['measure'], request['config'])), ask(self, **request))[1])
    document = folder / 'doc.md'
    document.write_text('<!-- table: t -->\n<!-- end of table -->\n')
    command = [*configs, '--out', str(out), '--size', '64', '--only', 'complexity', 'latency',
               '--rounds', '2', '--iterations', '2', '--warm-up', '1', '--device', 'cpu',
               '--docs', str(document), '--table', 't']
    assert tool.main(command) == 1  # the broken one
    assert len(asked) == 3 + 2 * 2 + 1  # it is not timed in a second round
    assert 'broken: complexity: ValueError' in capsys.readouterr().err
    report = json.loads((out / 'report.json').read_text())
    names = [row['name'] for row in report['rows']]
    assert names == ['tiny', 'second', 'broken']
    assert set(report['rows'][2]['errors']) == {'complexity', 'latency fp32'}
    latency = report['rows'][0]['latency']['fp32']
    assert latency['rounds'] == 2 and latency['iterations'] == 4
    parameters = [row.get('complexity') and row['complexity']['parameters']
                  for row in report['rows']]
    assert parameters == [1_829_607, 1_829_607 - 65, None]  # a class: 64 weights and a bias
    for name in ('report.md', 'report.csv', 'report.html'):
        assert 'second' in (out / name).read_text()
    assert 'http' not in (out / 'report.html').read_text()
    assert '1,829,607' in document.read_text()

    # Again: only what failed is asked for again.
    first = [c for c in asked]
    asked.clear()
    assert tool.main([*command, '--ignore-errors']) == 0
    assert {config for _, config in asked} == {str(out / 'models/broken.py')}
    assert len(first) > len(asked) == 2
    again = json.loads((out / 'report.json').read_text())
    assert again['rows'][0]['latency'] == report['rows'][0]['latency']
    assert not [p for p in out.rglob('*') if p.name.endswith('.part')]


def test_trains_tests_and_resumes(tool, tiny, monkeypatch, capsys):
    folder, configs = tiny
    out = folder / 'trained'
    command = ['--train', configs[0], '--budget', '2', '--train-size', '64', '--recipe', 'adamw',
               '--num-workers', '0', '--val-interval', '0', '--out', str(out), '--device', 'cpu',
               '--seeds', '5', '--jobs', '2']
    assert tool.main(command) == 0
    folder_of_run = out / 'train' / 'tiny-seed5'
    content = json.loads((out / 'results.json').read_text())
    assert content['schema'] == 1 and content['machine']['device'] == 'cpu'
    run = content['runs'][0]
    assert run['status'] == 'finished' and run['seed'] == 5 and run['parameters'] == 1_829_607
    assert run['metrics']['coco/segm_mAP'] >= 0
    assert [epoch for epoch, _ in run['curves']['loss']] == [1, 2]
    assert run['intervals']['segm']['mAP'][0] <= run['metrics']['coco/segm_mAP'] \
        <= run['intervals']['segm']['mAP'][1]
    assert (folder_of_run / 'work/epoch_2.pth').is_file()
    text = (folder_of_run / 'config.py').read_text()
    assert 'AdamW' in text and 'seed=5' in text and '64,' in text
    masks = (out / 'report.md').read_text().split('## Masks on the test set, %')[1]
    assert masks.split('## ')[0].split('| model |')[1].startswith(' seeds | mAP50 | mAP |')

    # Again: nothing is started.
    monkeypatch.setattr(tool.training.subprocess, 'Popen', None)
    assert tool.main(command) == 0
    # Without run.json, as after a kill during the test, the training is not repeated.
    (folder_of_run / 'run.json').unlink()
    started = []
    monkeypatch.setattr(tool.training.Fleet, 'call',
                        lambda self, name, *words, log: started.append(name))
    assert tool.main(command) == 0
    assert started == ['test']
    # What another call has finished in the folder stays in the collection, if it can be compared.
    finished = dict(run, name='second-seed5')
    for name, change in (('second', {}), ('failed', {'status': 'failed'}),
                         ('longer', {'settings': {**run['settings'], 'epochs': 3}})):
        (out / 'train' / f'{name}-seed5').mkdir()
        (out / 'train' / f'{name}-seed5' / 'run.json').write_text(json.dumps(finished | change))
    assert tool.main(command) == 0
    names = [r['name'] for r in json.loads((out / 'results.json').read_text())['runs']]
    assert names == ['tiny-seed5', 'second-seed5']
    # Other settings do not overwrite the run.
    command[command.index('64')] = '96'
    assert tool.main(command) == 2
    assert 'other settings' in capsys.readouterr().err


def test_two_benchmarks_do_not_train_the_same_run(tool, tiny, monkeypatch, capsys):
    folder, configs = tiny
    out = folder / 'shared'
    command = ['--train', configs[0], '--budget', '1', '--out', str(out), '--device', 'cpu']
    monkeypatch.setattr(tool, 'only_one', functools.partial(only_one, patience=0))
    with only_one(out) as lock:
        child = subprocess.Popen(['sleep', '60'], pass_fds=[lock])
        assert tool.main(command) == 2
        assert f'{out}: another benchmark' in capsys.readouterr().err
        assert not (out / 'train').exists()
    # The benchmark is gone, but a training that it started is not.
    assert tool.main(command) == 2
    child.kill()
    child.wait()
    with only_one(out):
        pass


def test_a_training_that_fails_is_a_row(tool, tiny, capsys):
    folder, configs = tiny
    out = folder / 'failed'
    assert tool.main(['--train', configs[2], '--budget', '1', '--num-workers', '0', '--out',
                      str(out), '--device', 'cpu']) == 1
    run = json.loads((out / 'results.json').read_text())['runs'][0]
    assert run['status'] == 'failed' and 'num_channels' in run['error']
    assert 'failed: broken-seed0' in capsys.readouterr().err


def test_wrong_input(tool, tiny, capsys):
    folder, configs = tiny
    assert tool.main(['w.pth', '--out', str(folder / 'x')]) == 2
    assert 'follows the config' in capsys.readouterr().err
    for words in ([], [configs[0], '--train'], [configs[0], '--rounds', '0'],
                  [configs[0], '--docs', 'a.md']):
        with pytest.raises(SystemExit) as error:
            tool.main(words)
        assert error.value.code == 2
