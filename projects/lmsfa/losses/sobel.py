"""Image gradients."""
import torch
import torch.nn.functional as F
from torch import Tensor


def sobel(x: Tensor) -> Tensor:
    r"""Sobel gradients along x and y of every channel, divided by 8.

    The division makes a unit step in x give at most 0.5 and a ramp of slope 1 give 1, whatever
    the channel's meaning. Borders repeat, so that a constant image has no gradient anywhere.

    Args:
        x (Tensor): (B, C, H, W).

    Returns:
        Tensor: (B, 2 C, H, W); channels 2c and 2c + 1 are the x and y gradients of channel c.
    """
    kernel = x.new_tensor([[-1., 0., 1.], [-2., 0., 2.], [-1., 0., 1.]]) / 8
    kernels = torch.stack([kernel, kernel.T])[:, None].repeat(x.shape[1], 1, 1, 1)
    padded = F.pad(x, (1, 1, 1, 1), mode='replicate')
    return F.conv2d(padded, kernels, groups=x.shape[1])
