"""tools/train.py and tools/test.py: a whole run and wrong input."""
import json
import os
import pickle
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from tool_runs import ROOT, run_tool

from medseg.engine.train import next_steps

CONFIG = 'configs/lmsfa/lmsfa-n_1xb8-300e_peld.py'


class WritesFile:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_training_leaves_checkpoints_and_log(trained):
    assert (trained / 'epoch_4.pth').is_file()
    assert (trained / 'last_checkpoint').read_text() == 'epoch_4.pth'
    log = next(trained.glob('*/vis_data/scalars.json')).read_text().splitlines()
    rows = [json.loads(line) for line in log]
    assert [row['epoch'] for row in rows if 'loss' in row] == [1, 1, 2, 2, 3, 3, 4, 4]
    assert any('coco/segm_mAP' in row for row in rows)


def test_test_writes_metrics_and_predictions(tiny_config, trained, tmp_path):
    run_tool('tools/test.py', tiny_config, trained / 'epoch_4.pth', '--work-dir', tmp_path,
             '--out', tmp_path / 'p.pkl', '--show-dir', 'shown')
    metrics = json.loads(next(tmp_path.glob('*/*.json')).read_text())
    rows = [json.loads(line) for line in
            next(trained.glob('*/vis_data/scalars.json')).read_text().splitlines()]
    in_training = next(row for row in rows if 'coco/segm_mAP' in row)
    for name in ('coco/bbox_mAP', 'coco/segm_mAP', 'coco/segm_AR@100'):
        assert metrics[name] == pytest.approx(in_training[name], abs=1e-6)
    with open(tmp_path / 'p.pkl', 'rb') as file:  # made by this test
        assert len(pickle.load(file)) == 4
    assert len(list(tmp_path.glob('*/shown/**/*.png'))) == 4


def test_missing_config_suggests_the_nearest(error_of):
    error = error_of('tools/train.py', 'configs/lmsfa/lmsfa-n_1xb8-300_peld.py')
    assert 'no such config; did you mean' in error and CONFIG in error


def test_missing_data_names_file_and_option(error_of, tmp_path):
    error = error_of('tools/train.py', CONFIG, '--work-dir', tmp_path, '--cfg-options',
                     f'train_dataloader.dataset.dataset.data_root={tmp_path}/none/')
    assert f'{tmp_path}/none/annotations/instances_train.json: no such file' in error
    assert '--cfg-options train_dataloader.dataset.dataset.data_root=DIR' in error


def test_missing_annotations_of_the_metric(error_of, tiny_config, trained, tmp_path):
    error = error_of('tools/test.py', tiny_config, trained / 'epoch_4.pth', '--work-dir', tmp_path,
                     '--cfg-options', f'test_evaluator.ann_file={tmp_path}/gone.json')
    assert f'{tmp_path}/gone.json: no such file' in error
    assert 'test_evaluator.ann_file=PATH' in error


@pytest.mark.parametrize('tool', ['test', 'resume', 'load_from'])
def test_bad_checkpoints(error_of, tiny_config, trained, tmp_path, tool):
    def error(checkpoint):
        if tool == 'test':
            return error_of('tools/test.py', tiny_config, checkpoint, '--work-dir', tmp_path)
        words = (('--resume', checkpoint) if tool == 'resume'
                 else ('--cfg-options', f'load_from={checkpoint}'))
        return error_of('tools/train.py', tiny_config, '--work-dir', tmp_path / 'w', *words)

    trap, evil = tmp_path / 'trap', tmp_path / 'evil.pth'
    torch.save({'state_dict': {}, 'meta': WritesFile(trap)}, evil)
    assert f'{evil}: refused, because the file carries code' in error(evil)
    assert not trap.exists()

    cut = tmp_path / 'cut.pth'
    cut.write_bytes((trained / 'epoch_4.pth').read_bytes()[:10_000])
    assert f'{cut}: the checkpoint is cut short (10000 bytes' in error(cut)
    assert f'{tmp_path}/none.pth: no such checkpoint' in error(tmp_path / 'none.pth')


def test_resume_from_bare_weights_is_explained(error_of, tiny_config, tmp_path):
    bare = tmp_path / 'bare.pth'
    torch.save({'state_dict': {'w': torch.ones(1)}}, bare)
    error = error_of('tools/train.py', tiny_config, '--work-dir', tmp_path / 'w', '--resume', bare)
    assert f'--cfg-options load_from={bare}' in error


def test_flags_that_cannot_work(error_of, tiny_config, trained, tmp_path):
    assert '--out x.json: the name must end in .pkl' in error_of(
        'tools/test.py', tiny_config, trained / 'epoch_4.pth', '--out', 'x.json')


def test_amp_trains_like_single_precision(trained, tiny_config, tmp_path):
    result = run_tool('tools/train.py', tiny_config, '--work-dir', tmp_path / 'amp', '--amp')
    if not torch.cuda.is_available():
        assert 'bfloat16 on the CPU' in result.stdout

    def first_loss(folder):
        lines = next(folder.glob('*/vis_data/scalars.json')).read_text().splitlines()
        return next(row['loss'] for row in map(json.loads, lines) if 'loss' in row)

    # The same images and weights: only rounding is between them.
    single, mixed = first_loss(trained), first_loss(tmp_path / 'amp')
    assert mixed != single
    assert mixed == pytest.approx(single, rel=0.05)


def test_test_time_augmentation(trained, tiny_config, tmp_path):
    """Six views of each image, boxes and masks merged, by the metrics of a plain test."""
    result = run_tool('tools/test.py', tiny_config, trained / 'epoch_4.pth', '--tta', '--work-dir',
                      tmp_path / 'tta')
    metrics = json.loads(next(tmp_path.glob('tta/*/*.json')).read_text())
    assert 0 <= metrics['coco/segm_mAP'] <= 1 and 0 <= metrics['coco/bbox_mAP'] <= 1
    assert 'Traceback' not in result.stderr


def test_early_stop_tensorboard_and_accumulation(tiny_config, tmp_path):
    """The hardly trained model makes no progress: two validations, one of them in vain."""
    work = tmp_path / 'w'
    run_tool('tools/train.py', tiny_config, '--work-dir', work, '--epochs', '6', '--patience', '1',
             '--tensorboard', '--accumulate', '2', '--no-report')
    assert (work / 'epoch_2.pth').is_file() and not (work / 'epoch_3.pth').exists()
    assert list(work.glob('*/vis_data/events.out.tfevents.*'))
    config = Config.fromfile(work / 'tiny.py')
    assert config.optim_wrapper.accumulative_counts == 2
    assert not (work / 'report').exists()


def test_heads_that_do_not_fit_are_refused(error_of, tiny_config, tmp_path):
    error = error_of('tools/train.py', tiny_config, '--work-dir', tmp_path, '--cfg-options',
                     'model.mask_head.num_classes=5')
    assert 'model.mask_head.num_classes is 5, but the training data has 4 classes' in error
    assert '--cfg-options model.mask_head.num_classes=4' in error


@pytest.mark.parametrize('path, tools, deploy', [
    ('configs/lmsfa/lmsfa-n_1xb8-300e_peld.py', ['test', 'infer', 'deploy'], 'instance-seg_'),
    ('configs/hrmedseg/hrmedseg_lgvit-96_1xb4-30e_lungs.py', ['test', 'infer', 'deploy'],
     'semantic-seg_'),
    ('configs/lightmedseg/lightmedseg-a_1xb2-60e_synbrain-lesion.py',
     ['test', 'infer_volume', 'export_volume'], '')])
def test_next_steps_are_those_of_the_kind_of_model(path, tools, deploy):
    lines = next_steps(Config.fromfile(path))
    assert [Path(line.split()[1]).stem for line in lines] == tools
    assert all((ROOT / line.split()[1]).is_file() for line in lines)
    assert deploy in lines[2]
    for line in lines:
        assert 'c.py' in line.format(config='c.py', checkpoint='w.pth', export='e')
