"""tools/predict.py: from published weights to pictures, without any training."""
import json

import cv2
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from tool_runs import load_tool, run_in_process

import projects.lmsfa.models  # noqa: F401
from medseg.engine.publishing import published

TOOL = 'tools/predict.py'
CONFIG = 'configs/lmsfa/lmsfa-n_1xb8-demo_synpeld.py'


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """A published file with random weights."""
    torch.manual_seed(0)
    state = MODELS.build(Config.fromfile(CONFIG).model).state_dict()
    classes = ('adipose tissue', 'bone', 'ligamentum flavum', 'nerve')
    path = tmp_path_factory.mktemp('weights') / 'random.pth'
    torch.save(published(dict(meta=dict(dataset_meta=dict(classes=classes)), state_dict=state),
                         path, CONFIG), path)
    return path


def test_pictures_of_frames_made_on_the_spot(weights, tmp_path, capsys):
    assert run_in_process(TOOL, '--weights', weights, '--out', tmp_path, '--frames', 2,
                          '--size', '96x96', '--sheet', tmp_path / 'sheet.jpg') == 0
    printed = capsys.readouterr().out
    assert f'{tmp_path}/sheet.jpg' in printed and 'Took ' in printed
    assert (tmp_path / 'sheet.jpg').read_bytes()[:2] == b'\xff\xd8'
    sheet = cv2.imread(str(tmp_path / 'sheet.jpg'))
    assert sheet.shape == (2 * 420, 1260, 3)  # two rows of three pictures of 420 x 420
    records = json.loads((tmp_path / 'predictions/predictions.json').read_text())
    assert isinstance(records, list)
    truth = json.loads(next(tmp_path.glob('*/annotations/*.json')).read_text())
    assert len(truth['images']) == 2
    assert len(list((tmp_path / 'predictions/overlays').rglob('*.png'))) == 2


def test_own_images(weights, tmp_path, monkeypatch):
    calls = []
    tool = load_tool(TOOL)
    monkeypatch.setattr(tool, 'run_tool', lambda *words: calls.append([str(w) for w in words]))
    assert tool.main(list(map(str, (tmp_path, '--weights', weights, '--out', tmp_path / 'o')))) == 0
    (name, config, *rest), = calls
    assert name == 'tools/infer.py' and config.endswith(CONFIG)
    assert rest == [str(weights), str(tmp_path), '--out', str(tmp_path / 'o/predictions')]


def test_wrong_input(error_of, tmp_path):
    assert f'{tmp_path}/a.pth: no such file' in error_of(TOOL, '--weights', tmp_path / 'a.pth')
    torch.save(dict(state_dict=dict(a=torch.ones(1))), tmp_path / 'bare.pth')
    assert 'does not say which config it belongs to; name it with --config' in error_of(
        TOOL, '--weights', tmp_path / 'bare.pth')
