"""Robustness figures by hand-made predictions, and the tool from end to end."""
import json
import re

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from tiny_coco import make_tiny_coco
from tool_runs import load_tool, write_tiny_config

import projects.lmsfa.datasets.synpeld.corruptions  # noqa: F401
from medseg.benchmark import robustness
from medseg.benchmark.robustness import CLEAN, Condition, conditions, image_f1
from medseg.errors import UserError
from medseg.io import read_json
from medseg.metrics.instance_matches import match, read_truth


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return make_tiny_coco(tmp_path_factory.mktemp('robust') / 'data', num_images=4, size=64)


@pytest.fixture
def truth(data):
    return read_truth(data / 'annotations/instances_test.json', need_masks=True)


def perfect(truth, image_ids=None, score=0.9):
    """The truth as predictions, of some images."""
    return [dict(image_id=a['image_id'], category_id=a['category_id'], bbox=a['bbox'],
                 score=score, segmentation=truth.annToRLE(a))
            for a in truth.anns.values() if image_ids is None or a['image_id'] in image_ids]


def write(folder, name, records):
    for r in records:
        counts = r['segmentation']['counts']
        r['segmentation']['counts'] = counts.decode() if isinstance(counts, bytes) else counts
    path = folder / f'{name}.json'
    path.write_text(json.dumps(records))
    return path


def test_conditions():
    found = conditions(['smoke', 'glare'], (5, 1))
    assert [c.name for c in found] == ['clean', 'smoke-1', 'smoke-5', 'glare-1', 'glare-5']
    with pytest.raises(UserError, match='severities are 1 to 5'):
        conditions(['smoke'], (0, 1))


def scored(truth, folder, label, found):
    """Scores of a model that finds the images of ``found[condition]`` perfectly, no others."""
    files = {name: write(folder, f'{label}-{name}', perfect(truth, ids))
             for name, ids in found.items()}
    return robustness.score(label, truth, files, resamples=20)


def test_mpc_and_rpc_by_hand(truth, tmp_path):
    """A model that finds everything on clean images and half of the images under smoke."""
    names = [CLEAN, Condition('smoke', 1), Condition('smoke', 5)]
    good = scored(truth, tmp_path, 'good', {'clean': None, 'smoke-1': None, 'smoke-5': None})
    weak = scored(truth, tmp_path, 'weak', {'clean': None, 'smoke-1': None, 'smoke-5': []})
    assert good.figures['clean']['mask mAP'] == pytest.approx(1)
    summary = robustness.summarise([good, weak], names, 'good')
    first, second = (model['figures']['mask mAP'] for model in summary['models'])
    assert first['mpc']['value'] == first['rpc']['value'] == pytest.approx(1)
    assert second['mpc']['value'] == second['rpc']['value'] == pytest.approx(0.5)
    assert second['curve'] == {'smoke': [pytest.approx(1), 0]}
    assert second['mpc_difference']['value'] == pytest.approx(-0.5)
    assert second['mpc_difference']['interval'] == pytest.approx((-0.5, -0.5))
    assert summary['models'][1]['classes']['bone'] == {'clean': pytest.approx(1),
                                                       'smoke': pytest.approx(0.5)}
    with pytest.raises(UserError, match='no model'):
        robustness.summarise([good], names, 'other')


def test_f1_of_images_by_hand(truth):
    records = perfect(truth, [1, 2])
    records += [dict(records[0], image_id=3, bbox=[0, 0, 2, 2])]  # one false one
    records += perfect(truth, [4], score=0.1)  # below what is shown
    f1 = image_f1(match(truth, records, 'segm'))
    assert f1[:2] == pytest.approx([1, 1]) and f1[2:] == pytest.approx([0, 0])


def test_worst_cases(truth, tmp_path):
    names = [CLEAN, Condition('smoke', 1), Condition('smoke', 5), Condition('glare', 1)]
    model = scored(truth, tmp_path, 'm', {
        'clean': None, 'smoke-1': [2, 3, 4], 'smoke-5': [2, 3, 4], 'glare-1': None})
    assert robustness.worst_cases(model, names) == [(0, Condition('smoke', 1), 1.0, 0.0)]


def test_every_condition_sees_every_image_corrupted(data, truth, tmp_path):
    seen = []

    def predictor(image):
        seen.append(image.mean())
        return []

    todo = [(c, tmp_path / f'{c.name}.json') for c in conditions(['exposure'], (1, 5))]
    progress = list(robustness.predict(predictor, truth, data / 'images', todo))
    assert progress[-1] == (12, 12)
    clean, mild, severe = np.reshape(seen, (3, 4))
    assert (np.abs(severe - clean) > np.abs(mild - clean)).all()
    assert read_json(tmp_path / 'exposure-5.json') == []


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    """Config and checkpoint of an untrained model."""
    from mmdet.registry import MODELS

    import projects.lmsfa.models  # noqa: F401
    config = write_tiny_config(tmp_path_factory.mktemp('model'))
    torch.manual_seed(0)
    network = MODELS.build(Config.fromfile(config).model)
    torch.save(dict(state_dict=network.state_dict(), meta={}), config.with_name('m.pth'))
    return config, config.with_name('m.pth')


def test_tool(model, data, tmp_path, capsys):
    tool = load_tool('tools/robustness.py')
    words = [*map(str, model), '--ann', str(data / 'annotations/instances_test.json'), '--out',
             str(tmp_path / 'out'), '--corruptions', 'smoke', 'gaussian_noise', '--severities',
             '1', '5', '--resamples', '5', '--device', 'cpu']
    assert tool.main(words) == 0
    assert '| tiny |' in capsys.readouterr().out
    found = read_json(tmp_path / 'out' / 'robustness.json')
    assert found['severities'] == [1, 5]
    assert set(found['models'][0]['figures']['mask mAP']['curve']) == {'smoke', 'gaussian_noise'}
    page = (tmp_path / 'out' / 'robustness.html').read_text()
    assert not re.search(r'(src|href)="https?:', page)
    assert cv2.imread(str(tmp_path / 'out' / 'contact_sheet.jpg')) is not None
    # What is there is kept.
    file = tmp_path / 'out' / 'predictions' / 'tiny' / 'smoke-1.json'
    file.write_text('[]')
    assert tool.main(words) == 0
    assert file.read_text() == '[]'
    # Another seed would be another measurement.
    assert tool.main([*words, '--seed', '1']) == 2
    assert 'made with other settings' in capsys.readouterr().err


@pytest.mark.parametrize('words, text', [
    (['--corruptions', 'fire'], 'no corruption'), (['--severities', '9'], 'severities are 1 to 5'),
    (['--reference', 'other.py'], 'is none of')])
def test_wrong_use_is_one_line(model, data, tmp_path, capsys, words, text):
    tool = load_tool('tools/robustness.py')
    assert tool.main([*map(str, model), '--ann', str(data / 'annotations/instances_test.json'),
                      '--out', str(tmp_path), *words]) == 2
    assert text in capsys.readouterr().err
