"""A mask that touches all four borders of an image keeps its outermost rows and columns.

Where the sides are no multiples of the prototypes' stride, the last row or column of prototypes is
partly padding. The prototypes here say there what a network learns to say: the training target.
"""
import math

import numpy as np
import pytest
import torch
from mmdet.structures.mask import PolygonMasks
from mmengine.config import Config
from runtime_models import METADATA

from medseg.deploy.graph_postprocess import masks_of
from medseg.deploy.results import instances
from medseg.runtime.postprocess import Postprocessor, last_trusted
from medseg.runtime.preprocess import Preprocessor
from projects.baselines.yolov8_seg_head import YOLOv8SegHead

ODD = [(97 + 2 * k, 131 + 6 * k) for k in range(20)]


@pytest.fixture(scope='module')
def head():
    cfg = Config.fromfile('configs/_base_/models/yolov8n_seg.py').model
    return YOLOv8SegHead(num_classes=4, in_channels=(16, 16, 16), num_protos=1,
                         train_cfg=cfg.train_cfg, test_cfg=cfg.test_cfg)


def prototypes(geometry):
    """Logits 9 within the target of an object that fills the image, -9 elsewhere."""
    height, width = geometry.resized
    outline = np.array([0., 0, width, 0, width, height, 0, height])
    target = PolygonMasks([[outline]], *geometry.padded).resize(
        (geometry.padded[0] // 4, geometry.padded[1] // 4)).to_tensor(torch.float32, 'cpu')
    return target * 18 - 9


def maps(head, geometry):
    """What a head gives that sees the object at one place of the coarsest level."""
    height, width = geometry.resized
    scores, dists, coeffs = [], [], []
    for stride in head.strides:
        size = (geometry.padded[0] // stride, geometry.padded[1] // stride)
        scores.append(torch.full((1, 4, *size), -12.0))
        dists.append(torch.zeros(1, 64, *size))
        coeffs.append(torch.ones(1, 1, *size))
    scores[2][0, 1, 1, 1] = 6.0
    for side, distance in enumerate((48, 48, width - 48, height - 48)):
        low, part = divmod(distance / 32, 1)
        bins = torch.full((16,), -30.0)
        bins[int(low)], bins[int(low) + 1] = math.log(1 - part), math.log(max(part, 1e-9))
        dists[2][0, side * 16:(side + 1) * 16, 1, 1] = bins
    return scores, dists, coeffs, prototypes(geometry)[None]


def by_pytorch(head, geometry, meta):
    found, = head.predict_by_feat(*maps(head, geometry), batch_img_metas=[meta])
    return found[found.scores > 0.5].masks.numpy()


def read(kind, outputs, geometry, meta):
    """By the runtime and by tools/test_deployed.py."""
    metadata = dict(METADATA, kind=kind, mask_stride=4)
    arrays = {name: np.ascontiguousarray(value) for name, value in outputs.items()}
    scored = instances(arrays, 0, meta, metadata, geometry.padded).masks.numpy()
    return np.concatenate([Postprocessor(metadata, 0.5)(arrays, geometry).masks, scored])


def by_raw(head, geometry, meta):
    height, width = geometry.resized
    return read('raw', dict(
        boxes=np.float32([[[0, 0, width, height]]]), scores=np.float32([[[0, 0.9, 0, 0]]]),
        coefficients=np.ones((1, 1, 1), np.float32),
        prototypes=prototypes(geometry)[None].numpy()), geometry, meta)


def by_end2end(head, geometry, meta, at_input=True):
    height, width = geometry.resized
    boxes = torch.tensor([[[0., 0, width, height]]])
    masks = masks_of(prototypes(geometry)[None], torch.ones(1, 1, 1), boxes, geometry.padded,
                     at_input)
    return read('end2end', dict(
        dets=np.float32([[[0, 0, width, height, 0.9]]]), labels=np.int64([[1]]),
        masks=masks.numpy()), geometry, meta)


def by_small_end2end(head, geometry, meta):
    return by_end2end(head, geometry, meta, at_input=False)


@pytest.mark.parametrize('way', [by_pytorch, by_raw, by_end2end, by_small_end2end])
@pytest.mark.parametrize('scale', ['own', 160, 320])
def test_the_rim_is_kept(head, way, scale):
    for size in ODD:
        side = max(size) if scale == 'own' else scale
        geometry = Preprocessor(dict(METADATA, scale=[side, side])).geometry(*size)
        meta = dict(img_shape=geometry.resized, ori_shape=size, scale_factor=geometry.factor)
        masks = way(head, geometry, meta)
        assert len(masks) > 0 and masks.shape[1:] == size
        lost = [edge for edge, line in dict(top=masks[:, 0], bottom=masks[:, -1],
                                            left=masks[..., 0], right=masks[..., -1]).items()
                if not line.all()]
        assert not lost, (size, lost)
        assert masks.all(), size


@pytest.mark.parametrize(('pixels', 'last'), [
    (96, 23), (97, 23), (98, 23), (99, 24), (100, 24), (127, 31), (128, 31)])
def test_which_prototypes_belong_to_the_image(pixels, last):
    """The input is 128 wide: 32 prototype pixels; the centre of pixel k is at 4 k + 2."""
    assert last_trusted(pixels, 32, 0.25) == last
    # Enlarged to the input: up to the last pixel before that prototype's centre.
    assert last_trusted(pixels, 128, 1.0, 4) == (4 * last + 1 if last < 31 else 127)
