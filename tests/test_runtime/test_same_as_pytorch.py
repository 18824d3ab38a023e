"""The runtime's steps against those of MMDetection and of the PyTorch head."""
import json

import numpy as np
import onnx
import pytest
import torch
from mmcv.ops import batched_nms
from mmcv.transforms import Compose
from mmengine.config import Config
from pycocotools import mask as mask_utils
from runtime_models import METADATA
from torch import nn

from medseg.deploy.graph import drop_identities
from medseg.engine.fuse import fuse_model
from medseg.engine.inference import Predictor
from medseg.models.masks import decode_masks
from medseg.runtime import Segmenter
from medseg.runtime.metadata import MetadataError
from medseg.runtime.postprocess import nms, resample_masks
from medseg.runtime.preprocess import Preprocessor

CONFIG = 'configs/lmsfa/lmsfa-n_1xb8-300e_peld.py'


@pytest.mark.parametrize('size', [(72, 108), (131, 50), (640, 640), (20, 33)])
def test_preprocessing(size):
    from mmdet.models.data_preprocessors import DetDataPreprocessor
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    data = Compose([dict(type='mmdet.LoadImageFromNDArray'),
                    dict(type='mmdet.Resize', scale=(160, 160), keep_ratio=True),
                    dict(type='mmdet.PackDetInputs')])(dict(img=image, img_id=0))
    settings = dict(mean=[10.0, 20.0, 30.0], std=[50.0, 60.0, 70.0], pad_value=0.5)
    processor = DetDataPreprocessor(**settings, bgr_to_rgb=True, pad_size_divisor=32)
    expected = processor(dict(inputs=[data['inputs']], data_samples=[data['data_samples']]))
    blob, geometry = Preprocessor(dict(METADATA, **settings, scale=[160, 160]))(image)
    np.testing.assert_allclose(blob, expected['inputs'].numpy(), atol=1e-6)
    assert geometry.factor == pytest.approx(data['data_samples'].scale_factor)


def test_static_input_is_padded():
    image = np.zeros((72, 108, 3), np.uint8)
    blob, geometry = Preprocessor(dict(METADATA, scale=[160, 160], input_size=[160, 160]))(image)
    assert blob.shape == (1, 3, 160, 160) and geometry.resized == (107, 160)
    assert (blob[0, :, :107] == 0).all()
    assert blob[0, :, 107:] == pytest.approx(114 / 255)
    with pytest.raises(MetadataError, match='does not fit the static input of 96 x 160'):
        Preprocessor(dict(METADATA, scale=[160, 160], input_size=[96, 160]))(image)


def test_nms():
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 60, (400, 2)).astype(np.float32)
    boxes = np.concatenate([corner, corner + rng.uniform(5, 40, (400, 2)).astype(np.float32)], 1)
    labels, scores = rng.integers(0, 3, 400), np.linspace(1, 0.1, 400, dtype=np.float32)
    expected = batched_nms(torch.tensor(boxes), torch.tensor(scores), torch.tensor(labels),
                           dict(type='nms', iou_threshold=0.5))[1]
    assert 40 < len(expected) < 400
    assert nms(boxes, labels, 0.5, 1000).tolist() == expected.tolist()
    assert nms(boxes, labels, 0.5, 7).tolist() == expected[:7].tolist()


def test_masks():
    rng = np.random.default_rng(0)
    protos = torch.tensor(rng.normal(size=(4, 27, 40)), dtype=torch.float32)
    coeffs = torch.tensor(rng.normal(size=(6, 4)), dtype=torch.float32)
    # The third spans several stretches of columns; the last two have no pixel.
    boxes = torch.tensor([[3.2, 4.9, 60.1, 50.7], [0, 0, 20, 30], [0.4, 1, 269.7, 180],
                          [200, 100, 270, 180], [7.6, 5, 8.4, 9], [9, 9, 9, 9]])
    size, scale = (180, 270), (40 * 160 / 270 / 160, 27 * 107 / 180 / 108)
    expected = decode_masks(protos, coeffs, boxes, size, scale).numpy()
    logits = torch.einsum('np,phw->nhw', coeffs, protos).numpy()
    found = resample_masks(logits, boxes.numpy(), size, scale, 0.0)
    assert expected.any((1, 2)).tolist() == [True] * 4 + [False] * 2
    assert (found != expected).sum() <= 2  # rounding of sums in another order


class RawOutputs(nn.Module):
    """What a raw export gives."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x):
        head = self.model.mask_head
        scores, dists, coeffs, protos = self.model._forward(x)[0]
        boxes = head._decode_boxes(head._flatten(dists, 4 * head.reg_max), head._priors(scores))
        return (boxes, head._flatten(scores, head.num_classes).sigmoid(),
                head._flatten(coeffs, head.num_protos), protos)


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    """Folder with a model of random weights that finds many things, as checkpoint and as ONNX."""
    from mmdet.registry import MODELS

    import projects.lmsfa.models  # noqa: F401
    folder = tmp_path_factory.mktemp('exported')
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(CONFIG).model)
    model.init_weights()
    head = model.mask_head
    nn.init.normal_(head.cls_conv.weight, std=0.3)
    nn.init.normal_(head.box_conv.weight, std=0.3)
    nn.init.constant_(head.cls_conv.bias, -2.0)
    model.train()
    with torch.no_grad():
        for _ in range(20):
            model._forward(torch.rand(2, 3, 96, 96))
    model.eval()
    torch.save(dict(state_dict=model.state_dict(),
                    meta=dict(dataset_meta=dict(classes=tuple(METADATA['classes'])))),
               folder / 'model.pth')
    fuse_model(model)
    path = folder / 'raw.onnx'
    torch.onnx.export(
        RawOutputs(model), (torch.rand(1, 3, 96, 128),), str(path), dynamo=False,
        opset_version=17, input_names=['input'],
        output_names=['boxes', 'scores', 'coefficients', 'prototypes'],
        dynamic_axes=dict(input={2: 'h', 3: 'w'}))
    graph = onnx.load(path)
    drop_identities(graph)
    onnx.helper.set_model_props(graph, {'medseg': json.dumps(
        dict(METADATA, kind='raw', scale=[160, 160]))})
    onnx.save(graph, path)
    return folder


@pytest.mark.parametrize('backend', ['onnxruntime', 'openvino'])
def test_same_instances_as_the_predictor(exported, backend):
    config = Config.fromfile(CONFIG)
    pipeline = config.test_dataloader.dataset.pipeline
    next(step for step in pipeline if step['type'] == 'Resize')['scale'] = (160, 160)
    predictor = Predictor(config, str(exported / 'model.pth'))
    segmenter = Segmenter(exported / 'raw.onnx', backend, threads=1, score_thr=0.05)
    image = np.random.default_rng(1).integers(0, 256, (9, 12, 3), np.uint8).repeat(
        20, 0).repeat(20, 1)[:175]
    expected = predictor(image, score_thr=0.05)
    found = segmenter(image)
    assert len(expected) > 20 and len(found) == len(expected)
    # Equal scores may change places, so each finds its own.
    left = set(range(len(found)))
    for item in expected:
        x, y, width, height = item['bbox']
        box = np.array([x, y, x + width, y + height])
        same = min((i for i in left if found.labels[i] + 1 == item['category_id']),
                   key=lambda i: np.abs(found.boxes[i] - box).max())
        left.remove(same)
        assert np.abs(found.boxes[same] - box).max() < 0.05
        assert item['score'] == pytest.approx(found.scores[same], abs=1e-4)
        wanted = mask_utils.decode(item['segmentation']).astype(bool)
        mask = found.masks[same]
        assert (wanted & mask).sum() >= 0.99 * (wanted | mask).sum()
