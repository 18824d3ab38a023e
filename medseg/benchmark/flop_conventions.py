"""Counting operations in one convention for all models, and in the paper's own, row by row.

The one convention: FLOPs are 2 x multiply-accumulates of convolutions, linear layers and matrix
products at the benchmark's size (``medseg/benchmark/complexity.py``).

The LMSF-A paper mixes three:

- LMSF-A and the YOLO models: FLOPs at 640x640 with transposed convolutions counted stride^2 times
  (``paper_flops.py``).
- Mask R-CNN, Swin, Mask2Former and ConvNeXt: MACs, not FLOPs, at 1280x800, the default of mmdet's
  own counter.
- YOLACT: MACs at 550x550.

The HRMedSeg paper counts as thop does (``thop_convention.py``), at 1024x1024.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mmengine.config import Config
from torch import nn

from medseg.benchmark.complexity import count
from medseg.engine.building import build_model

from .paper_flops import paper_flops
from .thop_convention import thop_macs


@dataclass(frozen=True)
class Convention:
    """How the paper counts a kind of model.

    Attributes:
        height, width (int): Of the input in pixels.
        operations: From a model, a height and a width to the number.
        text (str): For readers.
    """

    height: int
    width: int
    operations: Callable[[nn.Module, int, int], int]
    text: str


def _macs(model: nn.Module, height: int, width: int) -> int:
    return count(model, height, width).macs


def _yolo_flops(model: nn.Module, height: int, width: int) -> int:
    return paper_flops(model, count(model, height, width))


_MMDET = Convention(800, 1280, _macs, 'MACs at 1280x800')
#: By type of detector; all others are counted as mmdet counts.
CONVENTIONS = {
    'SingleStageInstanceSegmentor': Convention(
        640, 640, _yolo_flops,
        'FLOPs at 640x640 with transposed convolutions counted stride^2 times'),
    'YOLACT': Convention(550, 550, _macs, 'MACs at 550x550'),
    'HRMedSeg': Convention(1024, 1024, thop_macs, 'MACs at 1024x1024 as thop counts them'),
}


def paper_convention(config: Config) -> Convention:
    """The convention the paper uses, or would use, for a model."""
    return CONVENTIONS.get(config.model.type.split('.')[-1], _MMDET)


def complexity(config: Config, size: int) -> dict:
    """Parameters and operations of a model, as trained and fused, and as the paper counts.

    Args:
        config (Config): The model's config.
        size (int): Side of the square input in pixels.

    Returns:
        dict: ``parameters``, ``macs``, ``flops``, ``fused_parameters``, ``fused_flops``,
        ``paper_gflops`` and ``paper_convention``.
    """
    model = build_model(config)
    plain = count(model, size, size)
    convention = paper_convention(config)
    own = convention.operations(model, convention.height, convention.width)
    fused = count(model, size, size, fuse=True)
    return dict(
        parameters=plain.parameters, macs=plain.macs, flops=plain.flops,
        fused_parameters=fused.parameters, fused_flops=fused.flops, paper_gflops=own / 1e9,
        paper_convention=convention.text)
