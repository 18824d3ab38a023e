"""tools/models/publish.py: small, safe files whose cards say what tools/test.py measures."""
import json
import re

import pytest
import torch
from mmengine.hooks import EMAHook
from mmengine.model import ExponentialMovingAverage
from tool_runs import ROOT, run_in_process
from torch import nn

from medseg.engine.checkpoint import CheckpointError, read_checkpoint
from medseg.engine.publishing import (
    MOST_BYTES,
    MOST_BYTES_IN_ALL,
    config_of,
    figures_table,
    half_precision,
    published,
)
from medseg.errors import UserError

TOOL = 'tools/models/publish.py'
CONFIG = 'configs/lmsfa/lmsfa-n_1xb8-300e_peld.py'


@pytest.fixture(scope='module')
def options(tiny_config):
    data = tiny_config.parent / 'data'
    return ['--cfg-options', f'test_dataloader.dataset.data_root={data}/',
            f'test_evaluator.ann_file={data}/annotations/instances_test.json',
            'test_dataloader.dataset.pipeline.1.scale=(96,96)', 'test_dataloader.num_workers=0',
            'test_dataloader.persistent_workers=False']


@pytest.fixture(scope='module')
def weights(trained, options, tmp_path_factory):
    folder = tmp_path_factory.mktemp('published')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('LOCAL_RANK', '0')  # tools/test.py sets it; this takes it back
        assert run_in_process(
            TOOL, CONFIG, trained / 'epoch_4.pth', folder / 'weights/tiny.pth',
            '--data', 'four drawn images', '--command', 'python tools/train.py tiny.py',
            '--work-dir', folder / 'work', '--most', 5_000_000, *options) == 0
    return folder / 'weights/tiny.pth'


def test_averaged_weights_in_half_precision_and_nothing_else(trained, weights):
    whole, small = read_checkpoint(trained / 'epoch_4.pth'), torch.load(weights, weights_only=True)
    assert sorted(path.name for path in weights.parent.iterdir()) == [
        'tiny.json', 'tiny.md', 'tiny.pth']
    assert set(small) == {'meta', 'state_dict'}
    assert set(small['meta']) == {'epoch', 'iter', 'seed', 'dataset_meta', 'config_file'}
    assert small['meta']['config_file'] == CONFIG
    last = whole['ema_state_dict']
    key = 'backbone.stem.conv.weight'
    assert not torch.equal(last[f'module.{key}'], whole['state_dict'][key])
    for name, value in whole['state_dict'].items():
        wanted = value.half() if value.is_floating_point() else value
        assert torch.equal(small['state_dict'][name], wanted)
    assert weights.stat().st_size < 0.26 * (trained / 'epoch_4.pth').stat().st_size


def test_the_test_tool_prints_the_cards_figures(weights, options, tmp_path, monkeypatch):
    monkeypatch.setenv('LOCAL_RANK', '0')  # the tool sets it; this takes it back
    assert run_in_process('tools/test.py', CONFIG, weights, '--work-dir', tmp_path, *options) == 0
    printed = json.loads(next(tmp_path.glob('*/*.json')).read_text())
    report = json.loads(weights.with_suffix('.json').read_text())
    assert report['figures'] == {key: value for key, value in printed.items()
                                 if key not in ('time', 'data_time')}
    assert report['tested_on'] == dict(ann_file='annotations/instances_test.json', images=4,
                                       instances=12)
    card = weights.with_suffix('.md').read_text()
    assert figures_table(printed) in card
    row = re.search(r'\| masks \| ([\d.]+) \|', card)
    assert row[1] == f'{100 * printed["coco/segm_mAP"]:.1f}'
    command = re.search(r'```bash\n(.+)\n```', card)[1]
    assert command.startswith(f'python tools/test.py {CONFIG} weights/tiny.pth --cfg-options ')
    assert "'test_dataloader.dataset.pipeline.1.scale=(96,96)'" in command
    assert 'test_evaluator.ann_file=PATH' in command  # no place on the machine where it was made
    assert str(weights.parent.parent) not in card and re.search(r'\| trained \| 20\d\d-', card)
    for text in ('four drawn images', 'Not a\nmedical device', 'Apache-2.0', 'adipose tissue',
                 '| seed | ', 'averaged', f'[lmsfa-n_1xb8-300e_peld.py](../{CONFIG})'):
        assert text in card


def test_emahook_leaves_the_average_in_state_dict():
    """What :func:`published` relies on."""
    model, hook = nn.Linear(1, 1), EMAHook()
    hook.src_model, hook.ema_model = model, ExponentialMovingAverage(model)
    nn.init.constant_(model.weight, 1)
    nn.init.constant_(hook.ema_model.module.weight, 5)
    checkpoint = dict(state_dict=model.state_dict())
    hook.before_save_checkpoint(None, checkpoint)
    assert checkpoint['state_dict']['weight'].item() == 5
    assert checkpoint['ema_state_dict']['module.weight'].item() == 1


@pytest.mark.parametrize('values, kind', [
    ([1.0, 65504.0], torch.float16), ([1.0, 7e4], torch.float32), ([1e-9], torch.float16)])
def test_half_precision_where_the_range_allows(values, kind):
    found = half_precision(torch.tensor(values))
    assert found.dtype == kind
    torch.testing.assert_close(found.float(), torch.tensor(values), rtol=2 ** -11, atol=2 ** -25)


def test_counters_stay_whole_numbers():
    assert half_precision(torch.tensor(100_000)).item() == 100_000


def test_wrong_input(error_of, tiny_config, trained, options, tmp_path):
    plain, texts = trained / 'epoch_4.pth', ['--data', 'a', '--command', 'b']
    work = ['--work-dir', tmp_path / 'work']
    line = error_of(TOOL, CONFIG, plain, tmp_path / 'a.pth', *texts, *work, *options)
    assert 'more than 3,000,000: too large for the repository' in line
    assert not list(tmp_path.glob('*.*')) and not list((tmp_path / 'work').iterdir())
    assert 'is no config of the project' in error_of(
        TOOL, tiny_config, plain, tmp_path / 'a.pth', *texts)
    assert 'must end in .pth' in error_of(TOOL, CONFIG, plain, tmp_path / 'a.pt', *texts)
    with pytest.raises(CheckpointError, match='does not name its classes'):
        published(dict(state_dict=dict(a=torch.ones(1))), 'a.pth', CONFIG)


@pytest.mark.parametrize('config, told', [
    (CONFIG, None), ('../elsewhere.py', 'no config of this project'), (None, 'does not say which'),
    ('tools/train.py', 'no config of this project'), ('configs/none.py', 'no config of this')])
def test_only_configs_of_the_project_are_taken_from_a_file(config, told):
    checkpoint = dict(meta={} if config is None else dict(config_file=config))
    if told is None:
        assert config_of(checkpoint, 'a.pth', ROOT) == ROOT / config
    else:
        with pytest.raises(UserError, match=told):
            config_of(checkpoint, 'a.pth', ROOT)


def test_what_the_repository_holds():
    """Every published file is small, loads safely, and has the card that its figures make."""
    files = sorted((ROOT / 'weights').glob('*.pth'))
    sizes = [file.stat().st_size for file in files]
    assert max(sizes, default=0) <= MOST_BYTES and sum(sizes) <= MOST_BYTES_IN_ALL
    for file in files:
        checkpoint = torch.load(file, weights_only=True)
        assert config_of(checkpoint, file, ROOT).is_file()
        report = json.loads(file.with_suffix('.json').read_text())
        card = file.with_suffix('.md').read_text()
        assert figures_table(report['figures']) in card and 'Not a\nmedical device' in card
    texts = {path.name for path in (ROOT / 'weights').glob('*.md')} - {'README.md'}
    assert texts == {file.with_suffix('.md').name for file in files}
    rules = (ROOT / '.gitignore').read_text().splitlines()
    assert rules.index('!/weights/*.pth') > rules.index('*.pth')
