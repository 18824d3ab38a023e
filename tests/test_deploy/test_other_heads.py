"""mmdet's Mask R-CNN and SOLOv2: exported as PyTorch picks their instances."""
import cv2
import numpy as np
import pytest
import torch
from mmdet.models.layers import mask_matrix_nms
from mmengine.config import Config
from small_exports import export, write_inputs

from medseg.deploy import agreement as compare
from medseg.deploy import backends
from medseg.deploy.rewriters.solov2 import matrix_nms_decay
from medseg.engine.inference import Predictor

CONFIGS = {name: f'configs/{name}/{file}_1xb8-300e_peld.py' for name, file in {
    'mask_rcnn': 'mask-rcnn_r50_fpn', 'solov2': 'solov2_r50_fpn'}.items()}
#: A ResNet-18 instead of 50 layers: the heads are what is tested.
SMALL = '\nmodel = dict(backbone=dict(depth=18), neck=dict(in_channels=[64, 128, 256, 512]))\n'


@pytest.fixture(scope='module', params=CONFIGS)
def exported(request, tmp_path_factory):
    """A config, a checkpoint of random weights, an image and the folder of its export."""
    folder = tmp_path_factory.mktemp(request.param)
    trained = write_inputs(folder, CONFIGS[request.param], SMALL)
    return trained, export('instance-seg_onnxruntime_dynamic', trained, folder / 'out')


def test_instances_agree(exported):
    """Hundreds of close calls; MMDeploy's own forms agreed in 80 and 91 of 100 such instances."""
    trained, out = exported
    config, image = Config.fromfile(trained.config), cv2.imread(str(trained.image))
    predictor = Predictor(config, str(trained.checkpoint))
    deployed = compare.deployed_predictor(predictor, config, out / 'end2end.onnx')
    expected, found = compare.predict(predictor, image), compare.predict(deployed, image)
    deviation = compare.deviation(expected, found)
    assert deviation.expected == deviation.found > 20
    # A pixel on a mask's threshold moves a score of SOLOv2 by more than rounding, here in 1 of 100.
    assert deviation.matched >= 0.98 * deviation.expected
    assert deviation.score < 1e-2 and deviation.box < 0.1


def test_images_of_a_batch_do_not_meet(exported):
    run, _ = backends.load(exported[1] / 'end2end.onnx')
    images = np.random.default_rng(1).normal(size=(2, 3, 64, 96)).astype(np.float32)
    both = run(images)
    for i in range(2):
        alone = run(images[i:i + 1])
        count = int((alone['dets'][0, :, 4] > 0).sum())
        assert count == (both['dets'][i, :, 4] > 0).sum() > 0
        np.testing.assert_allclose(both['dets'][i, :count], alone['dets'][0, :count], atol=1e-2)
        np.testing.assert_array_equal(both['labels'][i, :count], alone['labels'][0, :count])


@pytest.mark.parametrize('kernel', ['gaussian', 'linear'])
def test_matrix_nms_is_mmdets(kernel):
    generator = torch.Generator().manual_seed(0)
    masks = (torch.rand(30, 12, 12, generator=generator) > 0.4).float()
    masks[10:20] = masks[:10]  # the same again
    labels = torch.randint(0, 2, (30,), generator=generator)
    scores = torch.linspace(1, 0.1, 30)
    expected, *_, order = mask_matrix_nms(masks, labels, scores, kernel=kernel, sigma=2.0)
    flat = masks.flatten(1)[None]
    decay = matrix_nms_decay(flat, labels[None], flat.sum(-1), kernel, 2.0)[0]
    assert 0 <= decay.min() < 0.5 and decay.max() <= 1
    torch.testing.assert_close((scores * decay)[order], expected, atol=1e-5, rtol=1e-5)
