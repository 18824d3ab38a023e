"""Multiply-accumulates as thop counts them, which papers quote as "FLOPs"."""
from __future__ import annotations

from math import prod

import torch
from torch import nn


@torch.no_grad()
def thop_macs(model: nn.Module, height: int, width: int) -> int:
    """MACs of one image as ``thop.profile`` 0.1.1 gives them.

    It counts modules of the types it knows, and them alone: convolutions and linear layers,
    transposed convolutions as if each output pixel read the whole kernel, 4 operations a value of
    a LayerNorm or BatchNorm with weights. It does not see matrix products of attention, nor
    normalisations that are classes of a project's own.

    Args:
        model (nn.Module): With a forward of ``mode='tensor'``; in eval mode.
        height, width (int): Of the input.
    """
    total = 0

    def convolution(module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        nonlocal total
        total += output.numel() * (inputs[0].shape[1] // module.groups) * prod(
            module.weight.shape[2:])

    def linear(module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        nonlocal total
        total += output.numel() * module.in_features

    def norm(module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        nonlocal total
        total += 4 * inputs[0].numel()

    rules = {nn.Conv2d: convolution, nn.ConvTranspose2d: convolution, nn.Linear: linear,
             nn.LayerNorm: norm, nn.BatchNorm2d: norm}
    handles = [module.register_forward_hook(rules[type(module)]) for module in model.modules()
               if type(module) in rules]
    try:
        model(torch.zeros(1, 3, height, width), mode='tensor')
    finally:
        for handle in handles:
            handle.remove()
    return total
