"""Trilinear resizing, in one place so that all of the network does it alike."""
from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional


def resize_volume(x: Tensor, size: Sequence[int]) -> Tensor:
    """Resize (B, C, D, H, W) to ``size`` trilinearly, voxel centres kept (align_corners=False).

    Returns ``x`` itself where it has that size.
    """
    if tuple(x.shape[2:]) == tuple(size):
        return x
    return functional.interpolate(x, size=tuple(size), mode='trilinear', align_corners=False)
