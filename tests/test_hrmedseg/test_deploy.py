"""Exports of semantic models: every backend and reader finds what PyTorch finds."""
import json

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from tool_runs import load_tool

from medseg.deploy.agreement import deployed_predictor, deviation, predict
from medseg.engine.inference import Predictor
from medseg.runtime import ModelError, Segmenter, SemanticSegmenter, open_model
from medseg.runtime.__main__ import main as run_runtime

#: A wide, a tall and a small image, none a multiple of the patch.
SHAPES = ((64, 96), (131, 77), (50, 50))


@pytest.fixture(scope='module')
def exported(tiny, tmp_path_factory):
    """Folder of a dynamic export, ONNX and OpenVINO."""
    out = tmp_path_factory.mktemp('export')
    image = next(tiny.images.iterdir())
    assert load_tool('tools/deploy.py').main([
        'configs/deploy/semantic-seg_openvino_dynamic.py', str(tiny.config),
        str(tiny.checkpoint), str(image), '--work-dir', str(out)]) == 0
    return out


@pytest.fixture(scope='module')
def predictor(tiny):
    return Predictor(Config.fromfile(tiny.config), str(tiny.checkpoint))


def image_of(shape, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)


@pytest.mark.parametrize('name', ['end2end.onnx', 'end2end.xml'])
def test_backends_agree_with_pytorch(exported, predictor, tiny, name):
    deployed = deployed_predictor(predictor, Config.fromfile(tiny.config), exported / name)
    seen = 0
    for shape in SHAPES:
        expected, found = (predict(p, image_of(shape)) for p in (predictor, deployed))
        difference = deviation(expected, found)
        assert difference.matched == difference.expected == difference.found
        assert difference.mask_iou > 0.999 and difference.score < 1e-4
        seen += difference.expected
    assert seen >= 6


@pytest.mark.parametrize('name, backend', [
    ('end2end.onnx', 'onnxruntime'), ('end2end.onnx', 'openvino'), ('end2end.xml', 'auto')])
def test_runtime_agrees_with_pytorch(exported, predictor, name, backend):
    segmenter = SemanticSegmenter(exported / name, backend)
    for shape in SHAPES:
        image = image_of(shape)
        expected, found = predict(predictor, image), segmenter(image)
        assert found.labels.tolist() == expected.labels.tolist()
        wrong = np.count_nonzero(found.masks != expected.masks.numpy())
        assert wrong <= 1e-3 * found.masks.size
        assert found.scores == pytest.approx(expected.scores.numpy(), abs=1e-4)
        assert found.boxes == pytest.approx(expected.bboxes.numpy(), abs=1.01)
        check_maps(found, shape, segmenter.class_names)


def check_maps(found, shape, names):
    assert found.class_masks.shape == (len(names), *shape)
    assert np.array_equal(found.class_masks[found.labels], found.masks)
    assert found.label_map.dtype == np.uint8 and found.label_map.shape == shape
    assert np.array_equal(found.label_map > 0, found.class_masks.any(0))
    rows, columns = np.nonzero(found.label_map)
    assert found.class_masks[found.label_map[rows, columns] - 1, rows, columns].all()


def test_static_size(tiny, tmp_path):
    image = next(tiny.images.iterdir())
    words = ['configs/deploy/semantic-seg_onnxruntime_static-1024x1024.py', str(tiny.config),
             str(tiny.checkpoint), str(image), '--work-dir', str(tmp_path),
             '--deploy-options', 'onnx_config.input_shape=128,96']
    assert load_tool('tools/deploy.py').main(words) == 0
    segmenter = open_model(tmp_path / 'end2end.onnx')
    assert segmenter.session.inputs[0].shape == (1, 3, 96, 128)
    assert segmenter(image_of((64, 96))).label_map.shape == (64, 96)


def test_file_says_what_it_is(exported):
    assert isinstance(open_model(exported / 'end2end.onnx'), SemanticSegmenter)
    with pytest.raises(ModelError, match='is a semantic export, Segmenter reads raw and end2end'):
        Segmenter(exported / 'end2end.onnx')
    with pytest.raises(ModelError, match='threshold 1: must be between 0 and 1'):
        SemanticSegmenter(exported / 'end2end.onnx', threshold=1)


def test_threshold(exported):
    image = image_of((64, 96))
    areas = [SemanticSegmenter(exported / 'end2end.onnx', threshold=t)(image).class_masks.sum()
             for t in (0.3, 0.5, 0.7)]
    assert areas[0] > areas[1] > areas[2]


def test_images_and_video_on_the_command_line(exported, tiny, tmp_path):
    out = tmp_path / 'out'
    assert run_runtime([str(exported / 'end2end.onnx'), str(tiny.images), '--out', str(out)]) == 0
    records = json.loads((out / 'predictions.json').read_text())
    assert {record['file_name'] for record in records} == {p.name for p in tiny.images.iterdir()}
    segmenter = open_model(exported / 'end2end.onnx')
    for path in tiny.images.iterdir():
        found = segmenter(cv2.imread(str(path)))
        label_map = cv2.imread(str(out / 'labels' / path.name), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(label_map, found.label_map)
        own = [record for record in records if record['file_name'] == path.name]
        assert [record['area'] for record in own] == found.masks.sum((1, 2)).tolist()
        assert (out / 'overlays' / path.name).is_file()
    video = tmp_path / 'clip.avi'
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*'MJPG'), 10, (96, 96))
    for path in sorted(tiny.images.iterdir()):
        writer.write(cv2.imread(str(path)))
    writer.release()
    out = tmp_path / 'video'
    assert run_runtime([str(exported / 'end2end.onnx'), str(video), '--out', str(out)]) == 0
    assert len(list((out / 'labels' / 'clip').glob('*.png'))) == 4
    assert {r['frame'] for r in json.loads((out / 'predictions.json').read_text())} == {0, 1, 2, 3}


def test_test_deployed_gives_the_metric(exported, tiny, tmp_path, monkeypatch):
    """tools/test_deployed.py and tools/test.py on the same data: equal to a tenth of a point."""
    monkeypatch.setenv('LOCAL_RANK', '0')
    figures = []
    for tool, words in (
            ('tools/test.py', [str(tiny.checkpoint)]),
            ('tools/test_deployed.py', ['--model', str(exported / 'end2end.onnx')])):
        deploy = ['configs/deploy/semantic-seg_onnxruntime_dynamic.py'] if len(words) == 2 else []
        folder = tmp_path / tool.split('/')[1]
        assert load_tool(tool).main([*deploy, str(tiny.config), *words, '--work-dir',
                                     str(folder)]) == 0
        figures.append(json.loads(next(folder.glob('*/*.json')).read_text()))
    assert figures[0]['semantic/dice'] > 0
    for key, value in figures[0].items():
        if key.startswith('semantic/') and 'hd95' not in key:
            assert figures[1][key] == pytest.approx(value, abs=1e-3)


def test_wrong_deploy_config(error_of, tiny, exported, tmp_path):
    image = next(tiny.images.iterdir())
    words = [tiny.config, tiny.checkpoint, image, '--work-dir', tmp_path]
    assert 'is a semantic model; take a deploy config whose name starts with semantic-seg_' in \
        error_of('tools/deploy.py', 'configs/deploy/instance-seg_onnxruntime_dynamic.py', *words)
    assert "MMDeploy's SDK reads boxes" in error_of(
        'tools/deploy.py', 'configs/deploy/semantic-seg_onnxruntime_dynamic.py', *words,
        '--dump-info')
