"""Raw exports with prototypes as (B, h, w, P): the same numbers, read by the same runtime."""
import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from runtime_models import METADATA, constant_model, raw_outputs
from small_exports import export

from medseg.deploy import agreement, backends
from medseg.deploy.task import build_fused
from medseg.engine.inference import Predictor
from medseg.runtime import Segmenter
from medseg.runtime.postprocess import mask_logits
from medseg.runtime.session import ModelError

OPTION = ('--deploy-options', 'codebase_config.post_processing.prototypes_last=True')


@pytest.fixture(scope='module')
def last(edge, tmp_path_factory):
    return export('instance-seg-raw_openvino_dynamic', edge, tmp_path_factory.mktemp('last'),
                  *OPTION)


@pytest.mark.parametrize('file', ['end2end.onnx', 'end2end.xml'])
def test_the_same_maps_and_instances_as_pytorch(edge, last, file):
    config = Config.fromfile(edge.config)
    run, description = backends.load(last / file, threads=1)
    batch = np.random.default_rng(1).random((2, 3, 64, 128), np.float32)
    expected = agreement.raw_reference(build_fused(config, str(edge.checkpoint)),
                                       torch.from_numpy(batch))
    found = run(batch)
    assert description['prototypes_last'] is True
    assert found['prototypes'].shape == (2, 16, 32, expected['prototypes'].shape[1])
    np.testing.assert_allclose(found['prototypes'], expected['prototypes'].transpose(0, 2, 3, 1),
                               atol=1e-3)
    predictor, image = Predictor(config, str(edge.checkpoint)), cv2.imread(str(edge.image))
    deployed = agreement.deployed_predictor(predictor, config, last / file)
    deviation = agreement.deviation(*(agreement.predict(p, image) for p in (predictor, deployed)))
    assert deviation.matched == deviation.expected == deviation.found > 10
    assert deviation.mask_iou > 0.97


def test_the_runtime_reads_both(tmp_path):
    planar = raw_outputs()
    turned = dict(planar, prototypes=planar['prototypes'].transpose(0, 2, 3, 1).copy())
    image = np.zeros((64, 64, 3), np.uint8)
    found = [Segmenter(constant_model(tmp_path / f'{name}.onnx', outputs, description),
                       'onnxruntime')(image)
             for name, outputs, description in (
                 ('planar', planar, dict(METADATA, kind='raw')),
                 ('turned', turned, dict(METADATA, kind='raw', prototypes_last=True)))]
    assert len(found[0]) == len(found[1]) == 2
    assert np.array_equal(found[0].masks, found[1].masks) and found[0].masks[0].sum() == 24 * 32
    # A file that says one and does the other is refused: 16 channels would not meet 32.
    wrong = constant_model(tmp_path / 'wrong.onnx', planar,
                           dict(METADATA, kind='raw', prototypes_last=True))
    with pytest.raises(ModelError, match='its output "prototypes" has the shape'):
        Segmenter(wrong, 'onnxruntime')(image)


def test_logits_by_hand():
    coefficients = np.float32([[1, 2]])
    planar = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    wanted = [[[12, 15, 18], [21, 24, 27]]]  # p + 2 (p + 6)
    assert mask_logits(coefficients, planar, False).tolist() == wanted
    assert mask_logits(coefficients, planar.transpose(1, 2, 0).copy(), True).tolist() == wanted


def test_only_raw_exports_have_prototypes(error_of, edge, tmp_path):
    assert 'prototypes_last: is for raw exports' in error_of(
        'tools/deploy.py', 'configs/deploy/instance-seg_onnxruntime_dynamic.py', *edge.words,
        '--work-dir', tmp_path, *OPTION)
