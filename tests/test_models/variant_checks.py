"""What every variant of a module has to pass, whatever it is."""
import torch
from test_detector import collate, sample
from test_fuse_model import flatten, randomise_norms

from medseg.engine.fuse import fuse_model


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
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in model.modules())
    for fused, expected in zip(flatten(model._forward(x)), before, strict=True):
        torch.testing.assert_close(fused, expected, rtol=1e-9, atol=1e-9)
