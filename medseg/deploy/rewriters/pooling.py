"""Adaptive pooling that is exact at every input size."""
from __future__ import annotations

import torch
from mmdeploy.core import FUNCTION_REWRITER
from mmdeploy.utils import Backend
from torch import Tensor
from torch.nn.modules.utils import _pair


@FUNCTION_REWRITER.register_rewriter(
    'torch.nn.functional.adaptive_avg_pool2d', backend=Backend.ONNXRUNTIME.value)
def adaptive_avg_pool2d(input: Tensor, output_size: int | tuple[int, int]) -> Tensor:
    """PyTorch's definition as means of slices, whose bounds follow the input's size.

    MMDeploy's default takes a fixed window of the traced size, which is another function where
    the size does not divide, and gives another number of outputs at another size.

    Args:
        input (Tensor): (B, C, H, W).
        output_size (int | tuple[int, int]): Height and width of the output.
    """
    pooled = input
    for dim, parts in zip((2, 3), _pair(output_size), strict=True):
        length, parts = pooled.shape[dim], int(parts)
        pieces = []
        for i in range(parts):
            start, end = i * length // parts, ((i + 1) * length + parts - 1) // parts
            part = pooled[:, :, start:end] if dim == 2 else pooled[..., start:end]
            pieces.append(part.mean(dim, keepdim=True))
        pooled = torch.cat(pieces, dim)
    return pooled
