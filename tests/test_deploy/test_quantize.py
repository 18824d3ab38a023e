"""INT8 exports: small files that everything reads as it reads the FP32 ones, and near them."""
import contextlib
import io

import cv2
import numpy as np
import onnx
import pytest
from mmengine.config import Config
from tool_runs import load_tool

from medseg.deploy.quantize import last_layers, network_inputs, training_images
from medseg.runtime import metadata
from medseg.runtime.session import Input, open_session

BACKENDS = {'onnxruntime': '.onnx', 'openvino': '.xml'}


@pytest.fixture(scope='module', params=BACKENDS)
def int8(request, edge, tmp_path_factory):
    """An INT8 export, what tools/deploy.py printed, and its backend."""
    out, text = tmp_path_factory.mktemp(request.param), io.StringIO()
    with contextlib.redirect_stdout(text):
        assert load_tool('tools/deploy.py').main([
            f'configs/deploy/instance-seg-raw_{request.param}-int8_static-640x640.py',
            *edge.words, '--work-dir', str(out), '--calib-num', '2', '--deploy-options',
            'onnx_config.input_shape=96,96']) == 0
    return out / f'end2end_int8{BACKENDS[request.param]}', text.getvalue(), request.param


def outputs(file, backend, image):
    session = open_session(file, backend, threads=1)
    return {name: np.array(value) for name, value in session.run({'input': image}).items()}


def test_outputs_stay_near(int8, edge_static, edge):
    file, text, backend = int8
    image = next(network_inputs([edge.image], Input('input', (1, 3, 96, 96), np.float32), None))
    expected = outputs(edge_static / f'end2end{BACKENDS[backend]}', backend, image)
    found = outputs(file, backend, image)
    # Random weights: distances, exponentials of what the network gives, suffer most.
    for name, limit in dict(boxes=0.8, scores=0.95, coefficients=0.95, prototypes=0.95).items():
        values = expected[name]
        assert found[name].shape == values.shape
        assert np.corrcoef(values.ravel(), found[name].ravel())[0, 1] > limit, name
        assert not np.array_equal(values, found[name])


def test_weights_take_a_byte(int8, edge_static):
    file, _, backend = int8
    if backend == 'openvino':
        sizes = [path.with_suffix('.bin').stat().st_size for path in (
            file, edge_static / 'end2end.xml')]
        assert sizes[0] < 0.4 * sizes[1]
        return
    names = {node.name: node for node in onnx.load(file).graph.node}
    kinds = [node.op_type for node in names.values()]
    assert kinds.count('DequantizeLinear') > 40 and kinds.count('QuantizeLinear') > 40
    fixed = onnx.load(file).graph.initializer
    eight = sum(np.prod(item.dims) for item in fixed if item.data_type == onnx.TensorProto.INT8)
    assert eight > 0.9 * 1_125_688


def test_last_layers_stay_in_single_precision(int8):
    _, text, backend = int8
    line = next(line for line in text.splitlines() if line.startswith('INT8'))
    assert 'calibrated with 2 training images; in FP32: ' in line
    layers = line.split('in FP32: ')[1].split(', ')
    # Three shared layers at three levels, and the prototypes' last convolution.
    assert len(layers) == 10, layers


def test_runtime_and_test_tool_read_it(int8, edge, tmp_path):
    from medseg.runtime.segmenter import Segmenter
    file, _, backend = int8
    segmenter = Segmenter(file, backend=backend)
    found = segmenter(cv2.imread(str(edge.image)))
    assert len(found) > 0 and found.masks.shape[1:] == (64, 96)
    assert load_tool('tools/test_deployed.py').main([
        f'configs/deploy/instance-seg-raw_{backend}-int8_static-640x640.py', str(edge.config),
        '--model', str(file), '--work-dir', str(tmp_path)]) == 0


def test_tool_takes_a_peers_file(edge_static, edge, tmp_path, capsys):
    model = onnx.load(edge_static / 'end2end.onnx')
    del model.metadata_props[:]  # a peer's file does not describe itself
    onnx.save(model, tmp_path / 'peer.onnx')
    assert load_tool('tools/quantize.py').main([
        str(tmp_path / 'peer.onnx'), str(edge.image), '--activation', 'uint8',
        '--keep-fp32', 'stem']) == 0
    text = capsys.readouterr().out
    assert 'peer_int8.onnx, calibrated with 1 images' in text
    made = onnx.load(tmp_path / 'peer_int8.onnx')
    kinds = {item.data_type for item in made.graph.initializer
             if item.name.endswith('_zero_point')}
    # Activations, weights, and the biases of INT8 convolutions.
    assert kinds == {onnx.TensorProto.UINT8, onnx.TensorProto.INT8, onnx.TensorProto.INT32}
    assert not any(item.key == metadata.KEY for item in made.metadata_props)


def test_last_layers_by_hand():
    # image -> a* -> b* -> relu -> out1 ; a* -> c* -> out2 (those with * have weights)
    parents = dict(out1=['relu'], relu=['b'], b=['a'], a=['image'], c=['a'], image=[], out2=['c'])
    assert last_layers(['out1', 'out2'], parents.__getitem__, {'a', 'b', 'c'}.__contains__) == [
        'out1', 'out2', 'relu', 'c', 'b']


def test_inputs_without_a_description(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), np.full((10, 20, 3), (255, 0, 51), np.uint8))
    image, = network_inputs([tmp_path / 'a.png'], Input('x', (1, 3, 32, 32), np.float32), None)
    assert image.shape == (1, 3, 32, 32)
    # 20 x 10 fills 32 x 16; blue, green, red 255, 0, 51 become red 0.2, green 0, blue 1.
    assert image[0, :, 5, 5].tolist() == pytest.approx([0.2, 0, 1])
    assert image[0, :, 20, 5].tolist() == pytest.approx([114 / 255] * 3)


def test_training_images(edge):
    images = training_images(Config.fromfile(edge.config), 2)
    assert len(images) == 2 and all(path.is_file() for path in images)
    assert len(set(images)) == 2


def test_wrong_input(error_of, edge_static, tmp_path):
    tool = 'tools/quantize.py'
    assert 'x.onnx: no such file' in error_of(tool, tmp_path / 'x.onnx', tmp_path)
    assert 'no images in this folder' in error_of(tool, edge_static / 'end2end.onnx', tmp_path)
    (tmp_path / 'a.png').write_bytes(b'no picture')
    assert 'a.png: OpenCV cannot decode this image' in error_of(
        tool, edge_static / 'end2end.onnx', tmp_path, '--out', tmp_path)
    assert not list(tmp_path.glob('*int8*'))
