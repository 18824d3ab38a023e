"""Folds of a benchmark: their configs, and their predictions put together and fused."""
import copy
import functools
import json

import pytest
from test_comparison import perfect
from tiny_coco import as_coco
from tool_runs import load_tool, write_tiny_config

from medseg.benchmark import training
from medseg.benchmark.ensemble import fuse
from medseg.benchmark.paired_comparison import trained_runs
from medseg.benchmark.pooling import fold_table, pool
from medseg.benchmark.training import Run, run_name
from medseg.data.folds import fold_contents, fold_file
from medseg.errors import UserError


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    monkeypatch.setattr(training, 'bootstrap', functools.partial(training.bootstrap, resamples=20))


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def finished(out, content, records, seed, bad=()):
    """Two finished folds of a model; it finds nothing on the folds ``bad``."""
    runs, ids = [], [image['id'] for image in content['images']]
    for fold in (1, 2):
        mine = ids[:3] if fold == 1 else ids[3:]
        part = dict(content, images=[i for i in content['images'] if i['id'] in mine],
                    annotations=[a for a in content['annotations'] if a['image_id'] in mine])
        run = Run(run_name('configs/m.py', seed, fold), 'configs/m.py', seed, out / 'train' /
                  run_name('configs/m.py', seed, fold), {'folds': 2}, fold=fold)
        write(run.folder / 'truth.json', part)
        (run.folder / 'config.py').write_text(
            f"test_evaluator = dict(type='InstanceMetric', ann_file='{run.folder}/truth.json', "
            "max_dets=50)\n")
        found = [] if fold in bad else [r for r in records if r['image_id'] in mine]
        for kind in ('bbox', 'segm'):
            write(run.predictions.with_name(f'predictions.{kind}.json'), found)
        run.result = dict(name=run.name, status='finished', checkpoint=f'{fold}-{seed}.pth',
                          parameters=7, train_minutes=1.5, test_minutes=0.25,
                          metrics={'coco/segm_mAP': 0.0 if fold in bad else 1.0})
        runs.append(run)
    return runs


@pytest.fixture
def whole(predicted, tmp_path):
    content, _ = predicted
    records = perfect(content)
    runs = finished(tmp_path, content, records, 0) + finished(tmp_path, content, records, 1, (2,))
    return tmp_path, content, runs


def test_pooled_folds_are_scored_as_one_set(whole):
    out, content, runs = whole
    said = []
    pooled = pool(out, runs, 2, report=said.append)
    assert [r['name'] for r in pooled] == ['m-seed0', 'm-seed1'] and len(said) == 2
    assert pooled[0]['metrics']['coco/segm_mAP'] == pytest.approx(1)
    # half of the objects are missed, the others are found first: AP is the share that is found
    assert pooled[1]['metrics']['coco/segm_mAP_50'] == pytest.approx(0.5, abs=0.06)
    assert pooled[0]['train_minutes'] == 3 and pooled[0]['metric'] == {'max_dets': 50}
    assert [fold['coco/segm_mAP'] for fold in pooled[1]['folds']] == [1, 0]
    table = fold_table(pooled)
    line = next(line for line in table.splitlines() if line.startswith('| m |'))
    assert line.split(' | ')[1:3] == ['2', '2']
    assert '| SD, folds |' in table and ' 50.0 |' in line  # folds 1, 1, 1, 0: SD 0.5
    # Again: what is there is read. One fold alone is no whole.
    said.clear()
    assert pool(out, runs, 2, report=said.append) == json.loads(json.dumps(pooled)) and not said
    runs[-1].result['status'] = 'failed'
    assert [r['name'] for r in pool(out / 'none', runs, 2)] == ['m-seed0']


def test_comparison_reads_whole_folds(whole):
    out, content, runs = whole
    found = pool(out, runs, 2)
    write(out / 'results.json', dict(runs=[dict(r.result, fold=r.fold) for r in runs],
                                     pooled=found))
    models = trained_runs(out / 'results.json')
    assert [m.label for m in models] == ['m, seed 0', 'm, seed 1']
    assert [m.family for m in models] == ['m', 'm'] and models[0].max_dets == 50
    assert json.loads(models[0].ann_file.read_text())['images'] == content['images']


def test_an_image_of_two_folds_is_refused(whole):
    out, _, runs = whole
    with pytest.raises(UserError, match=r'truth.json: image p000_f00.png is in .* tested twice'):
        pool(out, [runs[0], runs[0]], 2)


def test_seeds_are_fused(whole):
    out, content, runs = whole
    one, two, both = pool(out, runs, 2, ensemble=True)
    assert both['name'] == 'm-ensemble2' and both['seed'] is None and both['parameters'] == 14
    assert both['variant'] == 'ensemble of 2 seeds'
    # the second seed finds nothing in half of the images; the first one's objects sink, but stay
    assert both['metrics']['coco/segm_mAP'] == pytest.approx(1)
    records = json.loads((out / 'pooled/m-ensemble2/predictions.segm.json').read_text())
    assert sorted({round(r['score'], 6) for r in records}) == [0.45, 0.9]


def test_fusing_means(predicted):
    content, _ = predicted
    coco, truth = as_coco(copy.deepcopy(content)), perfect(content)
    first, second = [dict(truth[0], score=0.9)], [dict(truth[0], score=0.3)]
    second[0]['bbox'] = [v + 4 * (i == 0) for i, v in enumerate(second[0]['bbox'])]
    found, = fuse(coco, [first, second], iou=0.5)
    x = truth[0]['bbox'][0]
    assert found['score'] == pytest.approx(0.6)
    assert found['bbox'][0] == pytest.approx(x + 4 * 0.3 / 1.2)  # weights 0.9 and 0.3
    assert found['segmentation'] == truth[0]['segmentation']
    # no overlap: two objects, each missed by one of the models
    second[0]['bbox'] = [0, 90, 5, 5]
    assert [round(r['score'], 3) for r in fuse(coco, [first, second])] == [0.45, 0.15]
    with pytest.raises(UserError, match='image 99'):
        fuse(coco, [[dict(truth[0], image_id=99)]])


def test_configs_of_folds(tmp_path, capsys):
    tool, config = load_tool('tools/benchmark.py'), write_tiny_config(tmp_path)
    data = tmp_path / 'data'
    command = ['--train', str(config), '--budget', '2', '--folds', '2', '--seeds', '3', '4',
               '--out', str(tmp_path / 'out'), '--device', 'cpu']
    assert tool.main(command) == 2
    assert 'folds.json: no such file' in (error := capsys.readouterr().err)
    assert 'split.py' in error and '--folds 2' in error
    content = json.loads((data / 'annotations/instances_test.json').read_text())
    keys = [image['file_name'] for image in content['images']]
    parts = fold_contents(content, keys, 2, [2, 1, 1], 0)
    for fold, found in enumerate(parts, start=1):
        for subset, part in found.items():
            write(data / fold_file(subset, fold), part)
    write(data / 'folds.json', {'folds': [{}, {}]})
    args = tool.parse_args(command)
    runs = tool.prepare_runs(args, tool.entries(args.models)[0])
    assert [run.name for run in runs] == ['tiny-fold1-seed3', 'tiny-fold2-seed3',
                                          'tiny-fold1-seed4', 'tiny-fold2-seed4']
    assert {run.settings['folds'] for run in runs} == {2}
    text = (runs[1].folder / 'config.py').read_text()
    assert 'instances_train_fold2.json' in text and 'instances_val_fold2.json' in text
    assert f'{data}/annotations/instances_test_fold2.json' in text
    assert 'instances_test.json' not in text
    write(data / 'folds.json', {'folds': [{}, {}, {}]})
    assert tool.main(command) == 2
    assert 'the set has 3 folds, not 2' in capsys.readouterr().err
