"""tools/deploy.py: what is exported is what PyTorch computes, in standard operators."""
import json

import cv2
import numpy as np
import onnx
import pytest
import torch
from mmengine.config import Config
from tool_runs import load_tool

from medseg.deploy import agreement as compare
from medseg.deploy import backends, graph
from medseg.deploy.task import build_fused
from medseg.engine.inference import Predictor
from medseg.errors import UserError
from medseg.runtime import Segmenter, metadata

FILES = ('end2end.onnx', 'end2end.xml')


def noise(batch, height, width):
    return np.random.default_rng(1).random((batch, 3, height, width), np.float32)


def expected_and_found(trained, file):
    """Instances of the test image from PyTorch (unfused) and from a file."""
    config, image = Config.fromfile(trained.config), cv2.imread(str(trained.image))
    predictor = Predictor(config, str(trained.checkpoint))
    deployed = compare.deployed_predictor(predictor, config, file)
    return compare.predict(predictor, image), compare.predict(deployed, image)


@pytest.mark.parametrize('file', FILES)
@pytest.mark.parametrize('shape', [(1, 96, 96), (2, 64, 128)])
def test_raw_outputs_equal_pytorch(release, raw, file, shape):
    model = build_fused(Config.fromfile(release.config), str(release.checkpoint))
    run, description = backends.load(raw / file, threads=1)
    batch, height, width = shape
    found = run(noise(*shape))
    locations = sum((height // s) * (width // s) for s in (8, 16, 32))
    assert {name: value.shape for name, value in found.items()} == {
        'boxes': (batch, locations, 4), 'scores': (batch, locations, 4),
        'coefficients': (batch, locations, 32),
        'prototypes': (batch, 32, height // 4, width // 4)}
    expected = compare.raw_reference(model, torch.from_numpy(noise(*shape)))
    deviation = compare.raw_deviation(expected, found)
    # Sides of random boxes are hundreds of pixels long; a trained model's are within 1e-3 too.
    assert deviation.pop('boxes') < 5e-3
    assert max(deviation.values()) < 1e-3
    assert description['kind'] == 'raw' and description['mask_resample'] == 'logits'


@pytest.mark.parametrize('file', FILES)
def test_end_to_end_equals_pytorch(release, end2end, file):
    expected, found = expected_and_found(release, end2end / file)
    deviation = compare.deviation(expected, found)
    assert deviation.matched == deviation.expected == deviation.found > 10
    assert deviation.score < 1e-4 and deviation.box < 1e-2 and deviation.mask_iou > 0.97


@pytest.mark.parametrize('file', FILES)
def test_any_batch_and_size(end2end, file):
    run, _ = backends.load(end2end / file, threads=1)
    images = noise(2, 64, 128)
    both = run(images)
    rows = both['dets'].shape[1]
    assert both['labels'].shape == (2, rows) and both['labels'].dtype == np.int64
    assert both['masks'].shape == (2, rows, 64, 128) and both['masks'].dtype == np.float32
    assert 0 <= both['masks'].min() and both['masks'].max() <= 1
    boxes = both['dets'][..., :4]
    assert boxes.min() >= 0 and boxes[..., 0::2].max() <= 128 and boxes[..., 1::2].max() <= 64
    for i in range(2):
        alone = run(images[i:i + 1])
        count = int((alone['dets'][0, :, 4] > 0).sum())
        assert count == (both['dets'][i, :, 4] > 0).sum() > 0
        np.testing.assert_allclose(both['dets'][i, :count], alone['dets'][0, :count], atol=1e-3)
        np.testing.assert_array_equal(both['labels'][i, :count], alone['labels'][0, :count])
        np.testing.assert_allclose(both['masks'][i, :count], alone['masks'][0, :count], atol=1e-3)


@pytest.mark.parametrize('file', FILES)
def test_sizes_that_do_not_fit_are_refused_by_name(end2end, file):
    run, _ = backends.load(end2end / file)
    with pytest.raises(UserError, match=(
            f'{file}: takes inputs whose sides are multiples of 32, not 200 x 300; pad 24 rows at '
            'the bottom and 20 columns at the right with 0.4471')):
        run(noise(1, 200, 300))
    # The runtime pads an image of that size on its way.
    segmenter = Segmenter(end2end / file, threads=1)
    segmenter.metadata['scale'] = [300, 300]
    image = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    assert segmenter.preprocess(image)[0].shape == (1, 3, 224, 320)
    found = segmenter(image)
    assert len(found) > 0 and found.masks.shape[1:] == (200, 300)


def test_nothing_found_is_one_empty_row(release, end2end):
    """Backends differ in what they make of empty tensors, so there is always a row."""
    model = onnx.load(end2end / 'end2end.onnx')
    for node in model.graph.node:
        if node.op_type == 'NonMaxSuppression':
            threshold = node.input[4]
    for node in model.graph.node:
        if threshold in node.output:
            node.attribute[0].t.CopyFrom(onnx.numpy_helper.from_array(
                np.array([0.9999999], np.float32)))
    onnx.save(model, end2end / 'strict.onnx')
    found = backends.load(end2end / 'strict.onnx')[0](noise(1, 96, 96))
    assert found['dets'].shape == (1, 1, 5) and found['dets'][0, 0, 4] == 0
    _, instances = expected_and_found(release, end2end / 'strict.onnx')
    assert len(instances) == 0 and instances.masks.shape == (0, 64, 96)


def test_standard_operators_only(end2end, raw):
    for folder in (end2end, raw):
        model = onnx.load(folder / 'end2end.onnx')
        assert {entry.domain for entry in model.opset_import} == {''}
        assert not any('::' in name for name in graph.operators(model))
        assert 'BatchNormalization' not in graph.operators(model)  # fused
        assert graph.tensorrt_objections(model) == []
    assert graph.operators(model)['NonMaxSuppression'] == 0
    model.graph.node[0].domain = 'mmdeploy'
    with pytest.raises(UserError, match='beyond standard ONNX: mmdeploy::'):
        graph.check_standard(model)
    assert any('mmdeploy::' in text for text in graph.tensorrt_objections(model))


def test_equation_wiring_without_its_training_losses(equation, tmp_path):
    out = export_here('instance-seg_onnxruntime_dynamic', equation, tmp_path)
    model = onnx.load(out / 'end2end.onnx')
    unused = graph.training_only(Config.fromfile(equation.config), 96, 96)
    assert unused == {f'aux_losses.{name}.{value}'
                      for name in ('loss_gc.projection', 'loss_edge.conv')
                      for value in ('weight', 'bias')}
    stored = {item.name for item in model.graph.initializer}
    assert 'mask_head.cls_conv.weight' in stored and not any('aux_losses' in n for n in stored)
    assert not any('aux_losses' in node.name for node in model.graph.node)
    deviation = compare.deviation(*expected_and_found(equation, out / 'end2end.onnx'))
    assert deviation.matched == deviation.expected > 10
    assert deviation.score < 1e-4 and deviation.mask_iou > 0.97

    model.graph.initializer.append(onnx.numpy_helper.from_array(
        np.zeros(1, np.float32), 'aux_losses.loss_gc.projection.weight'))
    with pytest.raises(UserError, match='training-only parts.*loss_gc.projection.weight'):
        graph.check_training_only(model, unused)
    del model.graph.initializer[-1]
    model.graph.node[3].name = '/aux_losses/loss_edge/conv/Conv'
    with pytest.raises(UserError, match='training-only parts.*/aux_losses/loss_edge/conv/Conv'):
        graph.check_training_only(model, unused)


def test_yolact(yolact, tmp_path):
    out = export_here('instance-seg_onnxruntime_dynamic', yolact, tmp_path)
    deviation = compare.deviation(*expected_and_found(yolact, out / 'end2end.onnx'))
    assert deviation.matched == deviation.expected == deviation.found > 10
    assert deviation.score < 1e-4 and deviation.box < 1e-2 and deviation.mask_iou > 0.99
    raw = export_here('instance-seg-raw_onnxruntime_dynamic', yolact, tmp_path / 'raw')
    found = backends.load(raw / 'end2end.onnx')[0](noise(2, 64, 96))
    locations = 3 * (8 * 12 + 4 * 6 + 2 * 3 + 1 * 2 + 1)
    assert {name: value.shape for name, value in found.items()} == {
        'boxes': (2, locations, 4), 'scores': (2, locations, 4),
        'coefficients': (2, locations, 32), 'prototypes': (2, 32, 16, 24)}
    names = {item.name for item in onnx.load(out / 'end2end.onnx').graph.initializer}
    assert 'bbox_head.conv_coeff.weight' in names
    assert not any('segm_branch' in name for name in names)


def test_static_tensorrt_config(release, tmp_path, capsys):
    out = export_here('instance-seg_tensorrt-fp16_static-640x640', release, tmp_path,
                      '--deploy-options', 'onnx_config.input_shape=128,96',
                      '--cfg-options', 'model.test_cfg.max_per_img=7')
    text = capsys.readouterr().out
    assert 'every operator is in the list of TensorRT 10.1' in text
    assert f'trtexec --onnx={out / "end2end.onnx"} --fp16 --saveEngine=' in text
    run, description = backends.load(out / 'end2end.onnx')
    assert description['input_size'] == [96, 128]
    found = run(noise(1, 96, 128))
    assert {name: value.shape for name, value in found.items()} == {
        'dets': (1, 7, 5), 'labels': (1, 7), 'masks': (1, 7, 96, 128)}
    with pytest.raises(UserError, match='takes inputs of 96 x 128 pixels, not 96 x 96'):
        run(noise(1, 96, 96))
    # The 64 x 96 image fits after padding to the static size.
    assert len(expected_and_found(release, out / 'end2end.onnx')[1]) == 7


def test_masks_at_prototype_resolution(release, tmp_path):
    out = export_here('instance-seg_onnxruntime_dynamic', release, tmp_path, '--deploy-options',
                      'codebase_config.post_processing.mask_at_input=False')
    run, _ = backends.load(out / 'end2end.onnx')
    assert run(noise(1, 64, 96))['masks'].shape[2:] == (16, 24)
    deviation = compare.deviation(*expected_and_found(release, out / 'end2end.onnx'))
    assert deviation.matched == deviation.expected and deviation.mask_iou > 0.98


def export_here(name, trained, out, *words):
    assert load_tool('tools/deploy.py').main(
        [f'configs/deploy/{name}.py', *trained.words, '--work-dir', str(out), *words]) == 0
    return out


def test_metadata_and_files(release, end2end):
    names = {path.name for path in end2end.iterdir()} - {'strict.onnx'}
    assert names == {*FILES, 'end2end.bin', 'deploy.json', 'pipeline.json', 'detail.json',
                     'output_pytorch.png', 'output_openvino.png'}
    descriptions = [backends.load(end2end / file)[1] for file in FILES]
    assert descriptions[0] == descriptions[1] == {
        'version': 1, 'kind': 'end2end',
        'classes': ['adipose tissue', 'bone', 'ligamentum flavum', 'nerve'],
        'colors': [[160, 32, 240], [220, 20, 60], [255, 215, 0], [0, 200, 80]],
        'category_ids': [1, 2, 3, 4],
        'mean': [0.0, 0.0, 0.0], 'std': [255.0, 255.0, 255.0], 'to_rgb': True,
        'input_size': None, 'size_divisor': 32, 'keep_ratio': True, 'pad_value': 114 / 255,
        'scale': [96, 96], 'mask_resample': 'logits', 'crop_masks': True, 'mask_stride': 4,
        'score_thr': 0.05, 'nms_iou': 0.7, 'nms_pre': 3000, 'nms_type': 'nms',
        'max_per_img': 100, 'mask_thr': 0.5}
    steps = json.loads((end2end / 'pipeline.json').read_text())['pipeline']['tasks'][0][
        'transforms']
    found = {step['type']: step for step in steps}
    assert found['Resize']['keep_ratio'] and found['Pad']['pad_val'] == 114 / 255
    deploy = json.loads((end2end / 'deploy.json').read_text())
    assert deploy['models'][0]['net'] == 'end2end.xml'


def test_mmdeploys_own_model_reads_it(release, end2end):
    """MMDeploy's End2EndModel finds what PyTorch finds."""
    from mmdeploy.apis import build_task_processor

    from medseg.deploy.export import prepare
    config = prepare(Config.fromfile(release.config))
    processor = build_task_processor(
        config, Config.fromfile('configs/deploy/instance-seg_onnxruntime_dynamic.py'), 'cpu')
    model = processor.build_backend_model([str(end2end / 'end2end.onnx')])
    data, _ = processor.create_input(str(release.image))
    with torch.no_grad():
        found = model.test_step(data)[0].pred_instances
    found.masks = found.masks.bool()
    expected = expected_and_found(release, end2end / 'end2end.onnx')[0]
    deviation = compare.deviation(expected, found)
    assert deviation.matched == deviation.expected and deviation.box < 1e-2
    assert deviation.mask_iou > 0.8  # it resamples probabilities and cuts at whole pixels


@pytest.mark.parametrize(('text', 'message'), [
    (None, 'has no "medseg" metadata'), ('{', 'metadata is broken'),
    ('{"version": 1}', "metadata is broken \\('kind'\\)"),
    ('{"version": 9, "kind": "raw"}', 'metadata version 9, this release reads 1'),
    ('{"version": 1, "kind": "x"}', "kind 'x' is none of")])
def test_broken_metadata(text, message):
    with pytest.raises(metadata.MetadataError, match=f'^a.onnx: .*{message}'):
        metadata.parse(text, 'a.onnx')


def test_padded_size():
    dynamic = {'input_size': None, 'size_divisor': 32}
    assert metadata.padded_size(427, 640, dynamic) == (448, 640)
    assert metadata.padded_size(427, 640, {'input_size': [640, 640]}) == (640, 640)
    with pytest.raises(metadata.MetadataError, match='641 x 640 does not fit'):
        metadata.padded_size(641, 640, {'input_size': [640, 640]})
