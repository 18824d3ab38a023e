"""What every variant of a module has to pass, whatever it is."""
import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import PolygonMasks
from mmengine.structures import InstanceData
from torch import nn

from medseg.engine.fuse import fuse_model


def sample(shape, num_objects):
    height, width = shape
    data = DetDataSample(metainfo=dict(
        img_shape=shape, ori_shape=shape, scale_factor=(1.0, 1.0), img_id=1))
    boxes = torch.tensor([[1.0 + i, 2.0, width * 0.6, height * 0.7] for i in range(num_objects)])
    masks = [[np.array([b[0], b[1], b[2], b[1], b[2], b[3], b[0], b[3]])] for b in boxes.tolist()]
    data.gt_instances = InstanceData(
        bboxes=boxes.reshape(-1, 4), labels=torch.zeros(num_objects, dtype=torch.long),
        masks=PolygonMasks(masks, height, width))
    data.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4))
    return dict(inputs=torch.randint(0, 256, (3, height, width), dtype=torch.uint8),
                data_samples=data)


def collate(*samples):
    return dict(inputs=[s['inputs'] for s in samples],
                data_samples=[s['data_samples'] for s in samples])


def randomise_norms(model: nn.Module) -> None:
    """Statistics and weights as after training, or a merge that ignores them would pass."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)


def flatten(outs) -> list[torch.Tensor]:
    cls_scores, bbox_dists, coeffs, protos = outs[0]
    return [*cls_scores, *bbox_dists, *coeffs, protos]


def count(module):
    """Number of parameters."""
    return sum(p.numel() for p in module.parameters())


def assert_variant(model, parameters):
    """A whole model: its size, a training step, its inference form."""
    assert count(model) == parameters
    assert_trains(model)
    assert_fuses(model)


def assert_trains(model):
    """One step: finite losses, a finite gradient in every parameter."""
    model.train()
    data = model.data_preprocessor(collate(sample((64, 64), 2), sample((64, 64), 1)), True)
    losses = model(**data, mode='loss')
    assert sum(losses.values()).isfinite()
    sum(losses.values()).backward()
    missing = [n for n, p in model.named_parameters() if p.grad is None]
    assert not missing
    assert all(p.grad.isfinite().all() for p in model.parameters())


@torch.no_grad()
def assert_fuses(model):
    """The inference form has no BatchNorm and gives the same raw maps."""
    model = model.eval().double()
    randomise_norms(model)
    x = torch.rand(1, 3, 64, 96, dtype=torch.double)
    before = flatten(model._forward(x))
    fuse_model(model)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    for fused, expected in zip(flatten(model._forward(x)), before, strict=True):
        torch.testing.assert_close(fused, expected, rtol=1e-9, atol=1e-9)
