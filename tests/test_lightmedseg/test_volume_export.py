"""Exported 3-D models: the same scores as PyTorch's, on volumes of any size, without torch."""
import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from monai.inferers import sliding_window_inference
from tool_runs import load_tool

import projects.lightmedseg.training  # noqa: F401
from medseg.runtime.metadata import KEY, MetadataError
from medseg.runtime.volume import (
    VolumeSegmenter,
    check_description,
    normalise,
    slide,
    window_places,
)
from projects.lightmedseg.export import export_window

CONFIG = 'configs/lightmedseg/lightmedseg-a_1xb2-60e_synbrain-lesion.py'
CLASSES, CHANNELS = ('background', 'edema', 'core', 'enhancing'), ('T1', 'T1c', 'T2', 'FLAIR')


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(CONFIG).model).eval()
    # Weights that start at zero or as the identity would hide mistakes.
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.2)
    model.test_cfg = dict(roi_size=(32, 32, 32), overlap=0.5)
    return model


@pytest.fixture(scope='module')
def exported(model, tmp_path_factory):
    out = tmp_path_factory.mktemp('export') / 'm.onnx'
    export_window(model, out, CLASSES, CHANNELS, (32, 32, 32), openvino=True)
    return out


@pytest.mark.parametrize('shape', [(48, 40, 33), (32, 32, 32), (20, 35, 32)])
@pytest.mark.parametrize('suffix', ['.onnx', '.xml'])
def test_scores_are_pytorch_s(model, exported, shape, suffix):
    volume = np.random.default_rng(0).uniform(0, 500, (4, *shape)).astype(np.float32)
    volume[:, :3] = 0
    with torch.no_grad():
        expected = model.whole_logits(torch.from_numpy(normalise(volume))[None])[0].numpy()
    segmenter = VolumeSegmenter(exported.with_suffix(suffix), threads=1)
    assert (segmenter.classes, segmenter.channels) == (CLASSES, CHANNELS)
    scores = segmenter.scores(volume)
    assert np.abs(scores - expected).max() < 1e-3 * max(1, np.abs(expected).max())
    assert (segmenter(volume) == expected.argmax(0)).mean() > 0.999


@pytest.mark.parametrize('shape', [(20, 9, 16), (17, 40, 31), (8, 8, 8)])
@pytest.mark.parametrize('overlap', [0, 0.25, 0.5, 0.8])
def test_window_is_monai_s(shape, overlap):
    """The same windows and weights as the sliding window that training uses."""
    torch.manual_seed(0)
    volume, kernel = torch.randn(2, *shape), torch.randn(3, 2, 3, 3, 3)

    def network(x):
        return torch.nn.functional.conv3d(x, kernel, padding=1)

    expected = sliding_window_inference(volume[None], (16, 8, 12), 1, network, overlap=overlap,
                                        mode='gaussian')[0].numpy()
    found = slide(volume.numpy(), lambda x: network(torch.from_numpy(x)).numpy(), (16, 8, 12),
                  overlap)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_windows_cover_everything():
    seen = np.zeros((23, 16, 9), int)
    for place in window_places(seen.shape, (8, 16, 4), 0.3):
        seen[tuple(slice(p, p + s) for p, s in zip(place, (8, 16, 4), strict=True))] += 1
    assert seen.min() >= 1


def test_normalise_by_hand():
    volume = np.array([[[[0, 1, 3]]], [[[0, 0, 0]]], [[[5, 5, 5]]]])
    np.testing.assert_allclose(normalise(volume)[:, 0, 0], [[0, -1, 1], [0, 0, 0], [0, 0, 0]])


def test_wrong_channels(exported):
    with pytest.raises(ValueError, match='T1, T1c, T2, FLAIR'):
        VolumeSegmenter(exported)(np.zeros((1, 32, 32, 32), np.float32))


GOOD = dict(version=1, kind='volume', classes=['a', 'b'], channels=['x'], window=[8, 8, 8],
            overlap=0.5)


@pytest.mark.parametrize('text', [
    None, '', '{', 'null', '[1]', json.dumps(dict(GOOD, kind='raw')),
    json.dumps(dict(GOOD, version=9)), json.dumps(dict(GOOD, window=[8, 8])),
    json.dumps(dict(GOOD, window=[0, 8, 8])), json.dumps(dict(GOOD, overlap=1)),
    json.dumps(dict(GOOD, classes=[])), json.dumps(dict(GOOD, channels=[3])), '[' * 100_000])
def test_broken_descriptions_are_refused(text):
    with pytest.raises(MetadataError, match='export the model again'):
        check_description(text, 'm.onnx')
    assert check_description(json.dumps(GOOD), 'm.onnx') == GOOD


def test_another_model_is_refused(exported, tmp_path):
    graph = onnx.load(exported)
    onnx.helper.set_model_props(graph, {KEY: json.dumps(dict(GOOD, kind='raw'))})
    onnx.save(graph, tmp_path / 'other.onnx')
    with pytest.raises(MetadataError, match='no exported 3-D model'):
        VolumeSegmenter(tmp_path / 'other.onnx')


def test_runs_without_torch(exported):
    code = ('import sys, numpy as np\n'
            'from medseg.runtime.volume import VolumeSegmenter\n'
            f'labels = VolumeSegmenter({str(exported)!r})(np.ones((4, 32, 32, 32)))\n'
            'assert labels.shape == (32, 32, 32)\n'
            'heavy = {"torch", "mmengine", "mmcv", "mmdet", "monai"} & set(sys.modules)\n'
            'assert not heavy, heavy')
    subprocess.run([sys.executable, '-c', code], check=True, timeout=120)


def test_tool_exports_and_compares(model, tmp_path, capsys):
    torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=dict(
        classes=CLASSES, channels=CHANNELS))), tmp_path / 'm.pth')
    tool = load_tool('tools/export_volume.py')
    words = [CONFIG, str(tmp_path / 'm.pth')]
    assert tool.main([*words, str(tmp_path / 'out.onnx'), '--window', '32', '32', '32']) == 0
    assert 'from PyTorch on a volume of 41x41x41' in capsys.readouterr().out
    assert tool.main([*words, str(tmp_path / 'out.pt')]) == 2
    assert 'must end in .onnx' in capsys.readouterr().err
