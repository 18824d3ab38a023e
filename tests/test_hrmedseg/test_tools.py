"""The tools on a semantic model: training, testing, prediction, counting, the benchmark."""
import json

import pytest
from pycocotools import mask as mask_utils
from tiny_coco import CLASSES
from tool_runs import load_tool, run_tool


@pytest.fixture(scope='module')
def trained(tiny, tmp_path_factory):
    """Work dir of three epochs of 32 steps on four images of plain rectangles."""
    work = tmp_path_factory.mktemp('work')
    indices = ','.join(['0,1,2,3'] * 16)
    # In a process of its own: MMEngine's visualizer, which writes the figures, lives as long as the
    # process and goes on writing where the first training of the process began.
    run_tool(
        'tools/train.py', tiny.config, '--work-dir', work, '--cfg-options',
        'train_cfg.max_epochs=3', 'train_cfg.val_interval=3', 'train_cfg.dynamic_intervals=None',
        'param_scheduler.1.T_max=2', 'param_scheduler.1.end=3', 'optim_wrapper.optimizer.lr=0.01',
        'custom_hooks.3.momentum=0.3', 'custom_hooks.3.gamma=1',
        f'train_dataloader.dataset.indices=[{indices}]', 'default_hooks.logger.interval=4')
    return work


def figures_of(folder):
    lines = next(folder.glob('*/vis_data/scalars.json')).read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_training_learns(trained):
    entries = figures_of(trained)
    losses = [entry['loss'] for entry in entries if 'loss' in entry]
    assert losses[-1] < 0.6 * losses[0]
    final = next(entry for entry in entries if 'semantic/dice' in entry)
    assert final['semantic/dice'] > 0.4
    assert list(trained.glob('best_semantic_dice_epoch_3.pth'))


def test_infer_writes_one_record_a_class(tiny, trained, tmp_path):
    out = tmp_path / 'out'
    assert load_tool('tools/infer.py').main([
        str(tiny.config), str(trained / 'epoch_3.pth'), str(tiny.images), '--out', str(out)]) == 0
    records = json.loads((out / 'predictions.json').read_text())
    seen = [(record['file_name'], record['category_id']) for record in records]
    assert len(set(seen)) == len(seen) >= 4
    for record in records:
        assert record['category_name'] == CLASSES[record['category_id'] - 1]
        assert mask_utils.area(record['segmentation']) == record['area'] > 0
        assert 0.5 < record['score'] <= 1
    assert len(list((out / 'overlays').glob('*.png'))) == 4


def test_complexity(tiny, tmp_path):
    assert load_tool('tools/complexity.py').main([
        'configs/hrmedseg/hrmedseg_lgvit-96-release_1xb16-200e_dsb2018.py', '--size', '1024',
        '--json', str(tmp_path / 'counts.json')]) == 0
    counts, = json.loads((tmp_path / 'counts.json').read_text())
    assert counts['parameters'] == 3_526_364 and counts['flops'] == 16_443_031_552


def test_benchmark_trains_tests_and_gives_intervals(tiny, tmp_path):
    tool = load_tool('tools/benchmark.py')
    assert tool.main([
        str(tiny.config), '--train', '--budget', '1', '--num-workers', '0', '--out',
        str(tmp_path / 'out'), '--device', 'cpu']) == 0
    run, = json.loads((tmp_path / 'out' / 'results.json').read_text())['runs']
    assert run['status'] == 'finished' and 0 <= run['metrics']['semantic/dice'] <= 1
    low, high = run['intervals']['semantic']['dice']
    assert low <= run['metrics']['semantic/dice'] <= high


def test_a_class_without_pixels(tiny, error_of, tmp_path):
    path = tmp_path / 'instances.json'
    content = json.loads((tiny.data / 'annotations' / 'instances_train.json').read_text())
    content['annotations'] = [a for a in content['annotations'] if a['category_id'] != 4]
    path.write_text(json.dumps(content))
    message = error_of('tools/train.py', tiny.config, '--work-dir', tmp_path / 'work',
                       '--cfg-options', f'train_dataloader.dataset.ann_file={path}')
    assert "instances.json: no object of 'nerve' in 4 images" in message


def test_more_classes_than_tokens(tiny, error_of, tmp_path):
    message = error_of('tools/train.py', tiny.config, '--work-dir', tmp_path / 'work',
                       '--cfg-options', 'model.decode_head.num_mask_tokens=2')
    assert '4 classes and 2 mask tokens' in message
