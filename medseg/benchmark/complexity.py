"""Parameters and multiply-accumulates of a model."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from mmdet.models.detectors.single_stage_instance_seg import SingleStageInstanceSegmentor
from mmengine.config import Config
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from medseg.engine.building import build_model, data_sample
from medseg.engine.fuse import fuse_model

from .references import convention_of


@dataclass(frozen=True)
class Complexity:
    """Counts of one forward pass of one image.

    MACs are multiply-accumulates of convolutions, transposed convolutions, linear layers and
    matrix products (matmul, bmm, einsum, attention). Normalisation, activation, resizing and
    post-processing are not counted.
    """

    parameters: int
    macs: int
    modules: dict[str, tuple[int, int]] = field(default_factory=dict)
    """(parameters, MACs) by dotted module name, in the order of definition."""

    @property
    def flops(self) -> int:
        """Floating-point operations, 2 x MACs."""
        return 2 * self.macs


def _forward_mode(model: nn.Module) -> str:
    """``tensor``, but for models whose raw forward computes a loss (mmdet's YOLACT).

    Their ``predict`` adds only the assembly of the kept masks.
    """
    two_heads = isinstance(model, SingleStageInstanceSegmentor) and model.with_bbox
    return 'predict' if two_heads else 'tensor'


@contextmanager
def _all_proposals(model: nn.Module) -> Iterator[None]:
    """Let a two-stage detector's second stage see as many proposals as its config allows.

    How many survive NMS depends on the weights and the image, and with it half of the FLOPs; at a
    threshold of 1 all do.
    """
    rpn = getattr(model, 'rpn_head', None)
    threshold = rpn.test_cfg.nms.iou_threshold if rpn is not None else None
    if rpn is not None:
        rpn.test_cfg.nms.iou_threshold = 1.0
    try:
        yield
    finally:
        if rpn is not None:
            rpn.test_cfg.nms.iou_threshold = threshold


@torch.no_grad()
def count(model: nn.Module, height: int, width: int, fuse: bool = False) -> Complexity:
    """Run the model's forward to raw maps (``mode='tensor'``) once and count.

    Two-stage detectors are counted with all proposals of their config (mmdet: 1000 boxes, masks
    for 100). Masks that post-processing assembles from kernels or coefficients are not counted.

    Args:
        model (nn.Module): A detector in the sense of mmdet; set to eval mode, and fused in place
            with ``fuse``.
        height, width (int): Size of the input in pixels; batch 1, 3 channels.
        fuse (bool): Count the inference form, operation by operation as it runs. Otherwise
            modules that compute their definition in a cheaper way (``textbook``) are counted by
            the definition, which is what papers count.

    Returns:
        Complexity: The counts.
    """
    model.eval()
    if fuse:
        fuse_model(model)
    image = torch.zeros(1, 3, height, width)
    counter = FlopCounterMode(display=False)
    rearranged = [module for module in model.modules() if hasattr(module, 'textbook')]
    for module in rearranged:
        module.textbook = not fuse
    with counter, _all_proposals(model):
        model(image, [data_sample(height, width)], mode=_forward_mode(model))
    for module in rearranged:
        module.textbook = False
    counts = {name: sum(ops.values()) // 2 for name, ops in counter.get_flop_counts().items()}
    return Complexity(sum(p.numel() for p in model.parameters()),
                      counter.get_total_flops() // 2, _by_module(model, counts))


def _by_module(model: nn.Module, counts: dict[str, int]) -> dict[str, tuple[int, int]]:
    """Parameters and MACs of every module that has any MACs, in the order of definition.

    The counter knows the modules that were called. A list of modules, or a head whose ``forward``
    is called by name, is not among them, so each module's own part is added to all its parents.

    Args:
        model (nn.Module): The model.
        counts (dict[str, int]): MACs by dotted name, from the model's class name on, of a module
            and all that it called.
    """
    prefix = f'{type(model).__name__}.'
    called = {name.removeprefix(prefix): macs for name, macs in counts.items()
              if name.startswith(prefix)}
    own = dict(called)
    for name, macs in called.items():
        parent = name.rpartition('.')[0]
        while parent and parent not in called:
            parent = parent.rpartition('.')[0]
        if parent:
            own[parent] -= macs
    totals: dict[str, int] = {}
    for name, macs in own.items():
        while name:
            totals[name] = totals.get(name, 0) + macs
            name = name.rpartition('.')[0]
    return {name: (sum(p.numel() for p in module.parameters()), totals[name])
            for name, module in model.named_modules() if totals.get(name)}


def complexity(config: Config, size: int) -> dict:
    """Parameters and operations of a model, as trained and fused.

    Args:
        config (Config): The model's config.
        size (int): Side of the square input in pixels.

    Returns:
        dict: ``parameters``, ``macs``, ``flops``, ``fused_parameters``, ``fused_flops`` and, where
        a publication's way of counting is registered (:mod:`.references`), ``paper_gflops`` and
        ``paper_convention``.
    """
    model = build_model(config)
    plain = count(model, size, size)
    convention = convention_of(config.model.type.split('.')[-1])
    theirs = {} if convention is None else dict(
        paper_gflops=convention.operations(model, convention.height, convention.width) / 1e9,
        paper_convention=convention.text)
    fused = count(model, size, size, fuse=True)
    return dict(parameters=plain.parameters, macs=plain.macs, flops=plain.flops,
                fused_parameters=fused.parameters, fused_flops=fused.flops, **theirs)
