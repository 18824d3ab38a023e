"""The gap between a model's own test set and another: predictions, figures, the table."""
import copy
import json

import pytest
from mmengine.config import Config
from test_comparison import perfect

from medseg.benchmark import domain_gap
from medseg.benchmark.domain_gap import gap_table, gaps, predict, set_test_set
from medseg.benchmark.paired_comparison import Predictions
from medseg.configs import datasets
from medseg.errors import UserError


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.fixture
def sets(predicted, tmp_path):
    """A set, and one of its first four images, with predictions."""
    content, records = predicted
    other = copy.deepcopy(content)
    ids = [image['id'] for image in other['images']][:4]
    other['images'] = [i for i in other['images'] if i['id'] in ids]
    other['annotations'] = [a for a in other['annotations'] if a['image_id'] in ids]
    write(tmp_path / 'own.json', content)
    write(tmp_path / 'other.json', other)
    for kind in ('bbox', 'segm'):
        write(tmp_path / f'perfect.{kind}.json', perfect(content))
        write(tmp_path / f'shifted.{kind}.json', [r for r in records if r['image_id'] in ids])
        write(tmp_path / f'fine.{kind}.json', perfect(other))
    return tmp_path


def test_gaps(sets):
    own = [Predictions(f'm, seed {seed}', sets / 'own.json', sets / 'perfect', model='m')
           for seed in (0, 1)]
    shifted, fine = (Predictions('m', sets / 'other.json', sets / name, model='m')
                     for name in ('shifted', 'fine'))
    found = gaps(own, {'other': [shifted, fine], 'same': [fine, fine]}, resamples=20)
    first, second, third = found['rows']
    assert (first['set'], second['set'], third['set']) == (None, 'other', 'same')
    assert first['seeds'] == 2 and first['figures']['mask mAP'] == pytest.approx(1)
    # nothing is lost on the last; on the other the mean of a perfect and a shifted seed
    assert third['gaps']['mask mAP'] == pytest.approx(0)
    assert third['gap_intervals']['mask mAP'] == pytest.approx((0, 0))
    alone = gaps([shifted], {}, resamples=1)['rows'][0]['figures']['mask mAP']
    assert second['gaps']['mask mAP'] == pytest.approx((alone - 1) / 2)
    low, high = second['gap_intervals']['mask mAP']
    assert low <= second['gaps']['mask mAP'] <= high == pytest.approx(0, abs=1e-9)
    text = gap_table(found)
    assert '| m | its own | 2 | 100.0 (100.0 to 100.0) |  |' in text
    assert '| m | same | 2 | 100.0 (100.0 to 100.0) | +0.0 (+0.0 to +0.0) |' in text


def test_test_set_of_a_config(tmp_path):
    config = Config.fromfile('configs/lmsfa/lmsfa-n_1xb8-adamw-30e_dsb2018.py')
    set_test_set(config, tmp_path / 'a.json', tmp_path / 'img')
    dataset = next(datasets(config, 'test_dataloader'))
    assert (dataset.data_root, dataset.ann_file) == ('', str(tmp_path / 'a.json'))
    assert dataset.data_prefix.img == f'{tmp_path}/img/'
    assert config.test_evaluator.ann_file == str(tmp_path / 'a.json')
    assert config.test_evaluator.max_dets == 300
    assert next(datasets(config, 'val_dataloader')).data_root == 'data/dsb2018/'


def test_predictions_are_made_once(sets, monkeypatch):
    folder = sets / 'train' / 'm-seed0'
    folder.mkdir(parents=True)
    (folder / 'config.py').write_text(
        "test_dataloader = dict(dataset=dict(data_root='x', ann_file='y', data_prefix={}))\n"
        f"test_evaluator = dict(type='InstanceMetric', ann_file='{sets}/own.json')\n")
    checkpoint = sets / 'm.pth'
    checkpoint.write_bytes(b'x')
    write(sets / 'results.json', dict(runs=[dict(
        name='m-seed0', config='m.py', seed=0, status='finished', checkpoint=str(checkpoint))]))
    tested = []
    monkeypatch.setattr(domain_gap, 'test', lambda config, weights, out, device: (
        tested.append((next(datasets(config, 'test_dataloader')).ann_file, weights)),
        out.mkdir(parents=True), {'ok': {}})[-1])

    def call():
        return predict(sets / 'results.json', 'other', sets / 'other.json', sets, sets / 'gap',
                       'cpu')

    found, = call()
    assert found.prefix == sets / 'gap/other/m-seed0/test/predictions' and found.family == 'm'
    assert call() == [found]
    assert tested == [(str(sets / 'other.json'), str(checkpoint))]
    # another checkpoint is tested anew; one that is gone is said
    (sets / 'gap/other/m-seed0/checkpoint.txt').unlink()
    checkpoint.unlink()
    with pytest.raises(UserError, match=r'm.pth: the checkpoint of m-seed0 is gone'):
        call()
