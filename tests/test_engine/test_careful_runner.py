"""Weights that fit, files that are whole, and where a training goes on: with a tiny network."""
import math
import os
import shutil
import time

import pytest
import torch
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.registry import METRICS
from torch import nn

from medseg.engine.checkpoint import CheckpointError, load_weights, save_checkpoint
from medseg.engine.checkpoint_file import read_checkpoint
from medseg.engine.runner import build_runner
from medseg.engine.training_state import (
    candidates,
    check_training_state,
    expected_checkpoint,
    resume_point,
)
from medseg.errors import UserError


@DATASETS.register_module()
class FivePoints(torch.utils.data.Dataset):
    METAINFO = dict(classes=('low', 'high'))

    def __init__(self, metainfo=None):
        self.metainfo = {**self.METAINFO, **(metainfo or {})}

    def __len__(self):
        return 5

    def __getitem__(self, i):
        return dict(inputs=torch.tensor([float(i)]))


@MODELS.register_module()
class TinyModel(BaseModel):
    def __init__(self, num_classes=2):
        super().__init__()
        self.num_classes = num_classes
        self.body, self.head = nn.Linear(1, 3), nn.Linear(3, num_classes, bias=False)

    def forward(self, inputs, mode='tensor', **kwargs):
        out = self.head(self.body(inputs)).square().mean()
        return dict(loss=out) if mode == 'loss' else [out]


@METRICS.register_module()
class FallingLoss(BaseMetric):
    """A figure that the test chooses for each validation; else it grows."""

    figures: list = []

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        return dict(figure=self.figures.pop(0) if self.figures else time.monotonic())


def config(work_dir, epochs=3, **more) -> Config:
    loader = dict(batch_size=5, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
                  dataset=dict(type='FivePoints'), collate_fn=dict(type='default_collate'))
    cfg = Config(dict(
        default_scope='mmdet', model=dict(type='TinyModel'), work_dir=str(work_dir),
        train_dataloader=loader, val_dataloader=loader, val_evaluator=dict(type='FallingLoss'),
        train_cfg=dict(by_epoch=True, max_epochs=epochs, val_interval=1), val_cfg=dict(),
        optim_wrapper=dict(optimizer=dict(type='Adam', lr=0.1)),
        param_scheduler=[dict(type='LinearLR', start_factor=1., end_factor=.1, end=epochs)],
        custom_hooks=[dict(type='EMAHook')], randomness=dict(seed=0), log_level='ERROR',
        default_hooks=dict(checkpoint=dict(type='CarefulCheckpointHook', interval=1,
                                           max_keep_ckpts=2, save_best='figure', rule='greater'))))
    cfg.merge_from_dict(more)
    return cfg


def train(cfg, **more):
    cfg.experiment_name = f'test{time.monotonic_ns()}'
    runner = build_runner(cfg)
    runner.train()
    return runner


def names(folder):
    return sorted(path.name for path in folder.glob('*') if path.is_file())


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    work = tmp_path_factory.mktemp('trained')
    FallingLoss.figures = [1, 3, 2]
    train(config(work))
    return work


def test_files_of_a_training(trained):
    """Two epochs are kept, one best, a pointer that can be moved, nothing half-written."""
    files = [name for name in names(trained) if not name.endswith('.py')]
    assert files == ['best_figure_epoch_2.pth', 'epoch_2.pth', 'epoch_3.pth', 'last_checkpoint']
    assert (trained / 'last_checkpoint').read_text() == 'epoch_3.pth'
    info = read_checkpoint(trained / 'epoch_3.pth')['message_hub']['runtime_info']
    assert info['last_ckpt'] == 'epoch_3.pth'


def test_moved_folder_resumes_and_keeps_one_best(trained, tmp_path):
    moved, before = tmp_path / 'moved', names(trained)
    shutil.copytree(trained, moved)
    FallingLoss.figures = [0, 5]
    train(config(moved, epochs=4, resume=True))
    assert [n for n in names(moved) if n.startswith('best')] == ['best_figure_epoch_4.pth']
    assert [n for n in names(moved) if n.startswith('epoch')] == ['epoch_3.pth', 'epoch_4.pth']
    assert names(trained) == before  # nothing of the place where it was made was touched


def test_validation_that_a_kill_prevented_is_made_up_for(tmp_path):
    """Killed between the last checkpoint and its validation: the best one is found all the same."""
    FallingLoss.figures = [1, 2, 9]
    train(config(tmp_path))
    assert 'best_figure_epoch_3.pth' in names(tmp_path)
    state = read_checkpoint(tmp_path / 'epoch_2.pth')
    state['message_hub']['runtime_info'].update(validated_epoch=1)
    for name in names(tmp_path):
        if name not in ('epoch_2.pth',):
            (tmp_path / name).unlink()
    save_checkpoint(state, tmp_path / 'epoch_2.pth')
    FallingLoss.figures = [7, 3]
    train(config(tmp_path, resume=True))
    assert [n for n in names(tmp_path) if n.startswith('best')] == ['best_figure_epoch_2.pth']


def test_files_of_another_training_stay(tmp_path):
    FallingLoss.figures = [9, 9, 9]
    train(config(tmp_path))
    (tmp_path / 'best_figure_epoch_1.pth').rename(tmp_path / 'best_figure_epoch_77.pth')
    FallingLoss.figures = [1, 2, 3]
    train(config(tmp_path))
    assert [n for n in names(tmp_path) if n.startswith('best')] == [
        'best_figure_epoch_3.pth', 'best_figure_epoch_77.pth']


def test_paths_in_a_checkpoint_are_not_followed(trained, tmp_path, monkeypatch):
    """A checkpoint may say that the old best lies anywhere; nothing there is removed."""
    victim = tmp_path / 'best_thesis.pth'
    victim.write_text('precious')
    state = read_checkpoint(trained / 'epoch_3.pth')
    info = state['message_hub']['runtime_info']
    info.update(best_ckpt=str(victim), best_score=-1., keep_ckpt_ids=['../best_thesis', 1],
                last_ckpt=str(victim), cfg='import os')
    state['meta'].update(config=f"custom_imports = dict(imports=['trap_module'])\n"
                         f"a = open({str(tmp_path / 'ran')!r}, 'w')\n")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / 'trap_module.py').write_text(f'open({str(tmp_path / "ran")!r}, "w")')
    work = tmp_path / 'work'
    save_checkpoint(state, work / 'evil.pth')
    train(config(work, epochs=5, resume=True, load_from=str(work / 'evil.pth')))
    assert victim.read_text() == 'precious' and not (tmp_path / 'ran').exists()
    check_training_state(state, 'evil.pth')
    assert info['best_ckpt'] == 'best_thesis.pth' and info['keep_ckpt_ids'] == [1]
    assert 'cfg' not in info and 'last_ckpt' not in info


@pytest.mark.parametrize('damage, passed', [
    ({}, []),
    ({'epoch_3.pth': b''}, ['epoch_3.pth: the checkpoint is empty']),
    ({'epoch_3.pth': 200}, ['epoch_3.pth: the checkpoint is cut short']),
    ({'epoch_3.pth': None}, []),
    ({'last_checkpoint': b''}, []), ({'last_checkpoint': None}, []),
    ({'last_checkpoint': b'/moved/away/epoch_3.pth'}, []),
    ({'last_checkpoint': b'\xff\xfe'}, []),
    ({'last_checkpoint': b'epoch_2.pth'}, [])])
def test_where_training_goes_on(trained, tmp_path, damage, passed):
    for name in ('epoch_2.pth', 'epoch_3.pth', 'last_checkpoint'):
        content = (trained / name).read_bytes()
        change = damage.get(name, content)
        if change is not None:
            (tmp_path / name).write_bytes(content[:change] if isinstance(change, int) else change)
        time.sleep(0.01)  # later files have later times
    said = []
    point = resume_point(tmp_path, said.append)
    assert point.name == ('epoch_2.pth' if 'epoch_3.pth' in damage else 'epoch_3.pth')
    for text in passed:
        assert any(text in line for line in said)
    expected = damage.get('last_checkpoint', b'epoch_3.pth')
    as_expected = expected is not None and expected.endswith(point.name.encode())
    assert as_expected == (not said), said


def test_nowhere_to_go_on(trained, tmp_path):
    assert resume_point(tmp_path, print) is None
    assert resume_point(tmp_path / 'none', print) is None
    (tmp_path / 'epoch_1.pth').write_bytes(b'')
    with pytest.raises(CheckpointError, match='none of its checkpoints can be resumed from'):
        resume_point(tmp_path, lambda line: None)
    (tmp_path / 'epoch_1.pth').unlink()
    (tmp_path / 'last_checkpoint').write_text('epoch_9.pth')
    with pytest.raises(CheckpointError, match='names epoch_9.pth, but there is no checkpoint'):
        resume_point(tmp_path, print)


def test_files_of_a_longer_training_before_are_the_last_choice(tmp_path):
    for number, age in ((50, 900), (3, 100), (2, 200), (4, 50)):
        path = tmp_path / f'epoch_{number}.pth'
        path.touch()
        os.utime(path, (time.time() - age,) * 2)
    (tmp_path / 'last_checkpoint').write_text('epoch_3.pth')
    assert expected_checkpoint(tmp_path).name == 'epoch_3.pth'
    assert [path.stem for path in candidates(tmp_path)] == [
        'epoch_4', 'epoch_3', 'epoch_2', 'epoch_50']


def changed(state, path, value):
    """A copy of nested dicts with one entry replaced; removed for ``...``."""
    copy = dict(state)
    key, _, rest = path.partition('.')
    if rest:
        copy[key] = changed(state[key], rest, value)
    elif value is ...:
        del copy[key]
    else:
        copy[key] = value
    return copy


@pytest.mark.parametrize('path, value, message', [
    ('meta', ..., 'holds weights but no state of training'),
    ('message_hub', ..., 'holds weights but no state of training'),
    ('meta.epoch', ..., 'holds weights but no state of training'),
    ('meta.epoch', 'three', 'damaged (meta.epoch)'), ('meta.epoch', -1, 'damaged (meta.epoch)'),
    ('meta.iter', 1.5, 'damaged (meta.iter)'), ('meta.seed', 'x', 'damaged (meta.seed)'),
    ('message_hub.runtime_info', [], 'damaged (message_hub.runtime_info)'),
    ('optimizer', ..., 'holds no optimizer, as the best checkpoints'),
    ('param_schedulers', ..., 'holds no param_schedulers'),
    ('optimizer', [], 'damaged (optimizer)'),
    ('param_schedulers', 1, 'damaged (param_schedulers)'),
    ('optimizer', {}, 'does not fit the config'),
    ('optimizer.param_groups', [], 'does not fit the config'),
    ('param_schedulers', [1], 'the state of its schedule does not fit'),
    ('param_schedulers', [], 'the state of its schedule does not fit'),
    ('param_schedulers', [{'optimizer': 5}], 'does not fit the config (optimizer)'),
    ('param_schedulers', [{'last_step': 'x'}], 'does not fit the config (last_step)'),
    ('optimizer.param_groups', [{'lr': 'fast', 'params': [0, 1, 2]}],
     'the state of its optimiser does not fit the config (lr)'),
    ('optimizer.param_groups', [{'lr': math.nan, 'params': [0, 1, 2]}], '(lr)'),
    ('optimizer.param_groups', [{'betas': (0.9,), 'params': [0, 1, 2]}], '(betas)'),
    ('optimizer.state', {0: {
        'step': torch.tensor(3.), 'exp_avg': torch.ones(7), 'exp_avg_sq': torch.ones(7)}},
     'has the shape (7,), the parameter (3, 1)'),
    ('state_dict', {}, 'holds no weights'), ('state_dict', [1], 'holds no weights'),
    ('state_dict.head.weight', ..., 'does not fit the config'),
    ('meta.dataset_meta', {'classes': ('high', 'low')}, 'was trained with the classes'),
    ('meta.dataset_meta', {'classes': ('low', 'low')}, 'no list of different names'),
    ('meta.dataset_meta', {'classes': 3}, 'no list of different names'),
    ('meta.dataset_meta', [1], '`meta` is no description'),
    ('meta', [], '`meta` is no description'),
])
def test_states_that_cannot_be_resumed(trained, tmp_path, path, value, message):
    state = read_checkpoint(trained / 'epoch_3.pth')
    if path.startswith('state_dict.'):
        state['state_dict'].pop(path.removeprefix('state_dict.'))
    else:
        state = changed(state, path, value)
    save_checkpoint(state, tmp_path / 'x.pth')
    with pytest.raises(UserError) as caught:
        train(config(tmp_path, epochs=5, resume=True, load_from=str(tmp_path / 'x.pth')))
    assert message in str(caught.value) and 'x.pth' in str(caught.value)


def test_best_names_what_to_resume_from(trained, tmp_path):
    with pytest.raises(CheckpointError, match='Resume from the epoch_N.pth beside it'):
        check_training_state(read_checkpoint(trained / 'best_figure_epoch_2.pth'), 'best.pth')


FITS = {'all': ({}, None), 'foreign': ({'a': 0, 'b': 0}, 'does not fit the config at all'),
        'a part': ({'head.weight': None}, '2 of the 3 tensors of the model are in it; 1 missing'),
        'too many': ({'more': 0}, '1 unknown to the model: more'),
        'other classes': ({'head.weight': torch.ones(7, 3)},
                          '1 of another shape: head.weight (7, 3), here (2, 3) (another number of'),
        'no tensor': ({'head.weight': 1}, 'holds no weights')}


@pytest.mark.parametrize('kind', FITS)
def test_fit(kind):
    model, (changes, message) = TinyModel(), FITS[kind]
    state = {key: torch.full_like(value, 5) for key, value in model.state_dict().items()}
    if kind == 'foreign':
        state = {}
    for key, value in changes.items():
        state[key] = torch.zeros(()) if isinstance(value, int) and value == 0 else value
    state = {key: value for key, value in state.items() if value is not None}
    if message is None:
        assert load_weights(model, dict(state_dict=state), 'x.pth').complete
        assert (model.head.weight == 5).all()
        return
    with pytest.raises(CheckpointError) as caught:
        load_weights(model, dict(state_dict=state), 'x.pth')
    assert message in str(caught.value)
    if kind in ('a part', 'too many', 'other classes'):
        fit = load_weights(model, dict(state_dict=state), 'x.pth', partial=True)
        assert 'body.weight' in fit.loaded and not fit.complete
        assert (model.body.weight == 5).all()
    else:
        with pytest.raises(CheckpointError):
            load_weights(model, dict(state_dict=state), 'x.pth', partial=True)


def test_number_of_class_names():
    state = dict(state_dict=TinyModel().state_dict(),
                 meta=dict(dataset_meta=dict(classes=['a', 'b', 'c'])))
    with pytest.raises(CheckpointError, match=r'names 3 classes, but model.num_classes .* is 2'):
        load_weights(TinyModel(), state, 'x.pth')
    state['meta']['dataset_meta']['classes'] = ['a', 'b']
    load_weights(TinyModel(), state, 'x.pth')
