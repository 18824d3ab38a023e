"""Peak memory of one training step and of one prediction.

Each is measured in a process of its own. On a GPU it is the most that PyTorch's allocator had
given out. On a CPU it is the highest resident size of the process less that just before the model
was built: weights, activations, gradients, optimiser state and the libraries' own buffers.
"""
from __future__ import annotations

import resource
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope

from medseg.engine.building import build_model

from .inputs import training_batch
from .latency import load_model

MIB = 2 ** 20


class PeakMemory:
    """Context whose ``bytes`` is, at its end, the peak memory used inside it.

    Args:
        device (torch.device): Whose memory.
    """

    def __init__(self, device: torch.device) -> None:
        self.device, self.bytes = device, 0

    def __enter__(self) -> PeakMemory:
        if self.device.type == 'cuda':
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            self._restarted = _restart_peak()
            self._before = _status('VmRSS')
        return self

    def __exit__(self, *exception) -> None:
        if self.device.type == 'cuda':
            torch.cuda.synchronize(self.device)
            self.bytes = torch.cuda.max_memory_allocated(self.device)
        else:
            peak = _status('VmHWM') if self._restarted \
                else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            self.bytes = max(0, peak - self._before)


def _status(key: str) -> int:
    """An entry of the process's status, in bytes."""
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith(f'{key}:'):
            return int(line.split()[1]) * 1024
    raise OSError(f'/proc/self/status has no {key}; memory on the CPU is measured on Linux only')


def _restart_peak() -> bool:
    """Let the kernel's peak start from the present size; False where that is not allowed."""
    try:
        Path('/proc/self/clear_refs').write_text('5')
    except OSError:
        return False
    return True


def training_memory(config: Config, size: int, batch: int, device_name: str) -> dict:
    """One training step, the optimiser's included, on drawn images.

    Returns:
        dict: ``mib``, ``batch`` and the ``loss``.
    """
    device = torch.device(device_name)
    init_default_scope(config.get('default_scope', 'mmdet'))
    if config.model.get('backbone', {}).get('init_cfg'):
        config.model.backbone.init_cfg = None
    data = training_batch(config, size, batch)
    wrapper = dict(config.optim_wrapper, type='OptimWrapper')
    for key in ('loss_scale', 'dtype'):  # of mixed precision
        wrapper.pop(key, None)
    torch.manual_seed(0)
    with PeakMemory(device) as peak:
        model = build_model(config).to(device).train()
        model.to(memory_format=torch.channels_last)
        optimizer = build_optim_wrapper(model, wrapper)
        losses = model.train_step(data, optimizer)
    return dict(mib=round(peak.bytes / MIB, 1), batch=batch, loss=losses['loss'].item())


@torch.no_grad()
def inference_memory(config: Config, size: int, device_name: str, fuse: bool) -> dict:
    """One prediction at batch 1 with random weights, post-processing included.

    Returns:
        dict: ``mib``.
    """
    device = torch.device(device_name)
    init_default_scope(config.get('default_scope', 'mmdet'))
    data = training_batch(config, size, 1)
    with PeakMemory(device) as peak:
        model = load_model(config, None, device, fuse)
        model.test_step(data)
    return dict(mib=round(peak.bytes / MIB, 1))
