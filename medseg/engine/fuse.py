"""Merge re-parameterisable branches and BatchNorms for inference."""
from mmcv.cnn import fuse_conv_bn
from torch import nn


def _swap_fusable(module: nn.Module) -> None:
    """Replace, depth first, every child that has a ``fuse()`` by what that returns."""
    for name, child in module.named_children():
        _swap_fusable(child)
        if callable(getattr(child, 'fuse', None)):
            setattr(module, name, child.fuse())


def fuse_model(model: nn.Module) -> nn.Module:
    """Give ``model`` its inference form, in place.

    Every module with a ``fuse()`` method is replaced by the plain module it returns, and every
    BatchNorm right behind a convolution is merged into it. The outputs stay the same up to
    rounding; the model can no longer be trained as it was.

    Args:
        model (nn.Module): Any model; set to eval mode, since the running statistics are merged.

    Returns:
        nn.Module: ``model`` itself.
    """
    model.eval()
    _swap_fusable(model)
    return fuse_conv_bn(model)
