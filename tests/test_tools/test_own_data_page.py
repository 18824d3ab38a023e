"""Every command of docs/own_data.md, in its order, on a tiny set that is made on the spot."""
import json
import os
import re
import subprocess
import sys

import pytest
import tiny_shapes
from tool_runs import ROOT

PAGE = (ROOT / 'docs/own_data.md').read_text(encoding='utf-8')


def blocks(language):
    return re.findall(rf'^```{language}\n(.*?)^```', PAGE, re.M | re.S)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Where the page was followed; it must have worked from its first command to its last."""
    home = tmp_path_factory.mktemp('own')
    for name in ('tools', 'configs'):
        (home / name).symlink_to(ROOT / name)
    tiny_shapes.labelme(home / 'data/raw/shapes', 8)
    tiny_shapes.yolo(home / 'data/raw/yolo', 2)
    tiny_shapes.write_images(home / 'data/new', ['n0.png', 'n1.png'], first=50)
    script = '\n'.join(blocks('bash')).replace('--epochs 50', '--epochs 1').replace(
        '--size 512', '--size 96')
    # The hardly trained model finds nothing above the threshold that users want.
    script = script.replace('--labelme', '--labelme --score-thr 0')
    env = dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=str(ROOT),
               PATH=f'{os.path.dirname(sys.executable)}:{os.environ["PATH"]}')
    done = subprocess.run(['bash', '-euc', script], cwd=home, env=env, capture_output=True,
                          text=True, timeout=900, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (home / 'log.txt').write_text(done.stdout)
    return home


def test_the_training_leaves_what_the_page_says(folder):
    work = folder / 'work_dirs/shapes'
    report = {path.name for path in (work / 'report').iterdir()}
    assert {'curves.png', 'precision_recall.png', 'confusion.png', 'batch_0.png', 'best',
            'worst'} <= report
    before = (folder / 'log.txt').read_text().split('Epoch(train)')[0]
    assert before.count('\n') < 80  # conversions and all
    content = json.loads((work / 'data/annotations/instances_train.json').read_text())
    assert [c['name'] for c in content['categories']] == ['bar', 'disc']


def test_predictions_can_be_scored(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    results = folder / 'out/predictions.json'
    if not json.loads(results.read_text()):  # after one epoch: an empty list, which COCO refuses
        truth = json.loads((folder / 'data/shapes/annotations/instances_test.json').read_text())
        results.write_text(json.dumps([dict(item, score=0.9) for item in truth['annotations']]))
    exec('\n'.join(blocks('python')), {})
    assert 'Average Precision' in capsys.readouterr().out


def test_the_exported_file_knows_the_classes(folder):
    from medseg.runtime import Segmenter
    segmenter = Segmenter(folder / 'export/end2end.onnx')
    assert segmenter.class_names == ['bar', 'disc'] and segmenter.category_ids == [1, 2]
    assert (folder / 'out_export/predictions.json').is_file()


def test_annotations_by_the_model_lie_beside_the_images(folder):
    record = json.loads((folder / 'data/new/n0.json').read_text())
    assert record['imagePath'] == 'n0.png' and record['imageHeight'] == 72
    assert {shape['label'] for shape in record['shapes']} <= {'bar', 'disc'}
