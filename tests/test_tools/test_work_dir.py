"""One training a folder, no process left behind, and the class order of the checkpoint."""
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from mmdet.registry import DATASETS
from mmengine.config import Config
from tool_runs import ROOT

from medseg.engine.checkpoint_file import CheckpointError
from medseg.engine.classes import follow_order, trained_classes
from medseg.engine.work_dir import only_one, remove_unfinished
from medseg.errors import UserError
from medseg.io import replacing

CLASSES = ('adipose tissue', 'bone', 'ligamentum flavum', 'nerve')


def test_a_folder_is_held_once(tmp_path):
    with only_one(tmp_path / 'work'):
        with pytest.raises(UserError, match='work: another training, or one that it started'):
            with only_one(tmp_path / 'work', patience=0):
                pass
        child = os.fork()
        if child == 0:  # a data loader, which outlives a training that was killed
            time.sleep(60)
            os._exit(0)
    try:
        with only_one(tmp_path / 'work', patience=1):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_second_training_is_refused(error_of, tiny_config, tmp_path, monkeypatch):
    monkeypatch.setattr(only_one.__wrapped__, '__defaults__', ('training', 0))
    with only_one(tmp_path):
        error = error_of('tools/train.py', tiny_config, '--work-dir', tmp_path)
    assert f'{tmp_path}: another training' in error


def test_leftovers_of_a_kill_are_removed_and_nothing_else(tmp_path):
    with pytest.raises(KeyError), replacing(tmp_path / 'epoch_1.pth') as part:
        part.write_text('half')
        (tmp_path / part.name.replace('epoch_1', 'epoch_2')).write_text('of a killed run')
        raise KeyError
    for name in ('epoch_1.pth', '.lock', '.hidden', '.notes.part', 'x.12345678.part'):
        (tmp_path / name).write_text('')
    remove_unfinished(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        '.hidden', '.lock', '.notes.part', 'epoch_1.pth', 'x.12345678.part']


@pytest.mark.parametrize('number, code', [(signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_no_loader_is_left_behind(tiny_config, tmp_path, number, code):
    process = subprocess.Popen(
        [sys.executable, 'tools/train.py', tiny_config, '--work-dir', tmp_path, '--cfg-options',
         'train_dataloader.num_workers=2', 'train_cfg.max_epochs=1000'],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env=dict(os.environ, OMP_NUM_THREADS='1'))
    try:
        loaders, deadline = [], time.monotonic() + 200
        while len(loaders) < 2 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
            loaders = psutil.Process(process.pid).children()
        assert len(loaders) == 2
        process.send_signal(number)
        said = process.communicate(timeout=100)[1]
        assert process.returncode == code
        assert 'Traceback' not in said
        assert (number == signal.SIGKILL) or 'stopped; the same command with --resume' in said
        assert psutil.wait_procs(loaders, timeout=5)[1] == []
    finally:
        process.kill()


def config_with(tiny_config, classes) -> Config:
    config = Config.fromfile(tiny_config)
    config.test_dataloader.dataset.metainfo = dict(
        classes=classes, palette=[(i, 0, 0) for i in range(len(classes))])
    return config


def state(classes) -> dict:
    return dict(meta=dict(dataset_meta=dict(classes=classes)))


def test_data_follow_the_order_of_the_checkpoint(tiny_config):
    config = config_with(tiny_config, CLASSES[::-1])
    assert 'in the order of x.pth' in follow_order(config, state(CLASSES), 'x.pth')
    found = DATASETS.build(config.test_dataloader.dataset)
    assert tuple(found.metainfo['classes']) == CLASSES
    assert found.metainfo['palette'] == [(3, 0, 0), (2, 0, 0), (1, 0, 0), (0, 0, 0)]
    # Ids of the file, 1 to 4 by the names' own order, and the labels that the model knows.
    assert found.cat2label == {1: 0, 2: 1, 3: 2, 4: 3}
    assert follow_order(config, state(CLASSES), 'x.pth') is None
    assert follow_order(config, {}, 'x.pth') is None


def test_other_classes_are_refused(tiny_config):
    for classes in (('a', 'b', 'c', 'd'), CLASSES[:3], (*CLASSES, 'more')):
        with pytest.raises(CheckpointError, match='was trained with the classes'):
            follow_order(config_with(tiny_config, CLASSES), state(classes), 'x.pth')


@pytest.mark.parametrize('classes', [3, [], [1, 2], ['a', 'a'], ['a', ''], {'a': 1}, [None]])
def test_names_that_are_none(classes):
    with pytest.raises(CheckpointError, match='x.pth: .*no list of different names'):
        trained_classes(state(classes), 'x.pth')


@pytest.mark.parametrize('classes, found', [
    (('a', 'b'), ('a', 'b')), (['a'], ('a',)), ('cell', ('cell',)), (None, None)])
def test_names(classes, found):
    assert trained_classes(state(classes), 'x.pth') == found
