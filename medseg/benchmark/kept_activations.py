"""What a semantic model's training step keeps in memory, counted without computing it.

The step runs on tensors without data (PyTorch's fake tensors), so that any size can be counted on
any machine: the memory of everything that the forward pass saves for the backward pass, each memory
once, and of weights, gradients and optimiser state. An allocator needs more: the gradients of
activations, work space of kernels, its own rounding.
"""
from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import torch
from mmengine.config import Config
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from medseg.engine.building import build_model
from medseg.errors import UserError
from medseg.models.semantic_segmentor import SemanticSegmentor

#: Values that Adam keeps for each weight.
_ADAM_STATES = 2


@dataclass(frozen=True)
class KeptMemory:
    """Bytes of one training step.

    Attributes:
        activations: Saved for the backward pass.
        weights: Weights, gradients and the optimiser's two moments.
        batch: Images.
    """

    activations: int
    weights: int
    batch: int

    @property
    def per_image(self) -> float:
        """Bytes for each image of the batch, weights included."""
        return (self.activations + self.weights) / self.batch


def kept_memory(config: Config, size: int, batch: int, fake: bool = True) -> KeptMemory:
    """Count one training step in float32.

    Args:
        config (Config): Of a semantic model.
        size (int): Side of the square images in pixels.
        batch (int): Images.
        fake (bool): Compute nothing; otherwise the step is really done.

    Raises:
        UserError: The model is not semantic.
    """
    model, mode = build_model(config).train(), FakeTensorMode() if fake else nullcontext()
    if not isinstance(model, SemanticSegmentor):
        raise UserError(f'{config.filename}: is no semantic model; the losses of instance models '
                        'need data')
    if fake:
        model._apply(mode.from_tensor)
    with mode:
        own = {tensor.untyped_storage()._cdata
               for tensor in model.state_dict(keep_vars=True).values()}
        kept: dict[int, tuple[Tensor, int]] = {}

        def pack(tensor: Tensor) -> Tensor:
            memory = tensor.untyped_storage()
            if memory._cdata not in own:
                kept[memory._cdata] = (tensor, memory.nbytes())
            return tensor

        images = torch.zeros(batch, 3, size, size)
        target = torch.zeros(batch, model.num_classes, size, size, dtype=torch.uint8)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            terms = model.loss_by_feat(model.logits(images), target, images[:, :1])
            loss = sum(terms.values())  # keeps the graph, and with it the memory, until counted
        weights = sum(p.numel() * p.element_size() for p in model.parameters())
        activations = sum(size for _, size in kept.values())
        del loss
    return KeptMemory(activations, weights * (2 + _ADAM_STATES), batch)
