"""tools/test_deployed.py measures an exported file like tools/test.py; wrong input is named."""
import json

import cv2
import pytest
from mmengine.config import Config
from tool_runs import load_tool

from medseg.engine.inference import Predictor

DEPLOY = 'tools/deploy.py'
TEST = 'tools/test_deployed.py'
END2END = 'configs/deploy/instance-seg_onnxruntime_dynamic.py'
RAW = 'configs/deploy/instance-seg-raw_onnxruntime_dynamic.py'


def figures(folder, tool, *words):
    """Figures that a test tool writes, run in this process."""
    assert load_tool(tool).main([*map(str, words), '--work-dir', str(folder)]) == 0
    scalars = json.loads(next(folder.glob('*/*.json')).read_text())
    return {key: value for key, value in scalars.items() if key.startswith('coco/')}


def label_with_predictions(release) -> None:
    """Make every second instance that PyTorch finds in the test images their ground truth."""
    folder = release.config.parent / 'data'
    path = folder / 'annotations' / 'instances_test.json'
    content = json.loads(path.read_text())
    predictor = Predictor(Config.fromfile(release.config), str(release.checkpoint))
    content['annotations'] = [
        dict(id=1000 * image['id'] + i, image_id=image['id'], iscrowd=0,
             **{key: item[key] for key in ('category_id', 'bbox', 'area', 'segmentation')})
        for image in content['images']
        for i, item in enumerate(predictor(cv2.imread(str(folder / 'images' /
                                                          image['file_name'])))[::2])
        if item['area']]
    path.write_text(json.dumps(content))


def test_figures_are_those_of_pytorch(release, end2end, raw, tmp_path, monkeypatch):
    monkeypatch.setenv('LOCAL_RANK', '0')  # tools/test.py sets it; this takes it back
    label_with_predictions(release)
    expected = figures(tmp_path / 'torch', 'tools/test.py', release.config, release.checkpoint)
    assert 0.2 < expected['coco/segm_mAP'] < 0.9
    for config, folder in ((END2END, end2end), (RAW, raw)):
        found = figures(tmp_path / folder.name, TEST, config, release.config,
                        '--model', folder / 'end2end.onnx')
        assert set(found) == set(expected)
        for key in ('coco/bbox_mAP', 'coco/segm_mAP', 'coco/segm_AR@100'):
            assert found[key] == pytest.approx(expected[key], abs=1e-3)


def test_wrong_input(error_of, release, end2end, tmp_path):
    config, checkpoint, image = release.words
    out = tmp_path / 'out'
    assert "no such config; did you mean configs/deploy/instance-seg_onnxruntime_dynamic.py?" in \
        error_of(DEPLOY, 'configs/deploy/instance-seg_onnxruntime_dynamik.py', config, checkpoint,
                 image, '--work-dir', out)
    assert 'is no deploy config' in error_of(DEPLOY, config, config, checkpoint, image,
                                             '--work-dir', out)
    assert 'x.png: no such image' in error_of(DEPLOY, END2END, config, checkpoint, 'x.png',
                                              '--work-dir', out)
    assert 'no such checkpoint' in error_of(DEPLOY, END2END, config, tmp_path / 'x.pth', image,
                                            '--work-dir', out)
    other = 'configs/lmsfa/ablation/lmsfa-n_base_1xb8-300e_peld.py'
    assert 'does not fit the config' in error_of(DEPLOY, END2END, other, checkpoint, image,
                                                 '--work-dir', out)
    assert 'cannot read raw outputs' in error_of(DEPLOY, RAW, config, checkpoint, image,
                                                 '--work-dir', out, '--dump-info')
    assert 'has no prototypes' in error_of(
        DEPLOY, RAW, 'configs/solov2/solov2_r50_fpn_1xb8-300e_peld.py', checkpoint, image,
        '--work-dir', out)
    assert not out.exists() or list(out.iterdir()) == []


def test_wrong_files(error_of, release, end2end, tmp_path):
    onnx_file = end2end / 'end2end.onnx'

    def message(file, config=END2END):
        return error_of(TEST, config, release.config, '--model', file, '--work-dir', tmp_path)

    assert 'no such file; make it with tools/deploy.py' in message(tmp_path / 'x.onnx')
    assert 'is for onnxruntime, whose files end in .onnx' in message(end2end / 'end2end.xml')
    assert 'tensorrt cannot be tested here' in message(
        onnx_file, 'configs/deploy/instance-seg_tensorrt_dynamic.py')
    (tmp_path / 'cut.onnx').write_bytes(onnx_file.read_bytes()[:5000])
    assert 'cut.onnx: cannot be loaded, the file may be damaged' in message(tmp_path / 'cut.onnx')
    (tmp_path / 'alone.xml').write_bytes((end2end / 'end2end.xml').read_bytes())
    assert 'alone.bin: no such file; OpenVINO keeps the weights there' in message(
        tmp_path / 'alone.xml', 'configs/deploy/instance-seg_openvino_dynamic.py')
