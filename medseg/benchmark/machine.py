"""What a measurement was made on."""
from __future__ import annotations

import os
import platform
from typing import Any

import mmcv
import mmdet
import mmengine
import numpy
import torch

from medseg.runtime.processor import cpu_name


def pick_device(name: str | None = None) -> torch.device:
    """The device of that name; by default the GPU, where there is one."""
    return torch.device(name or ('cuda:0' if torch.cuda.is_available() else 'cpu'))


def describe(device: str | None = None) -> dict[str, Any]:
    """Host, processor, cores and threads, GPU and versions of what computes."""
    chosen = pick_device(device)
    gpu = torch.cuda.get_device_name(chosen) if chosen.type == 'cuda' else None
    # Less the kernel's build suffix, which tells nothing about speed.
    release = platform.release().partition('-')[0]
    return dict(
        host=platform.node(), system=f'{platform.system()} {release} {platform.machine()}',
        cpu=cpu_name(), cores=len(os.sched_getaffinity(0)), threads=torch.get_num_threads(),
        device=str(chosen), gpu=gpu, cuda=torch.version.cuda, python=platform.python_version(),
        torch=torch.__version__, mmengine=mmengine.__version__, mmcv=mmcv.__version__,
        mmdet=mmdet.__version__, numpy=numpy.__version__)


def identity(machine: dict[str, Any]) -> dict[str, Any]:
    """What a time or a memory depends on, of :func:`describe`; a machine's name is not part."""
    return {key: machine[key] for key in ('cpu', 'cores', 'threads', 'device', 'gpu', 'cuda',
                                          'python', 'torch', 'mmcv', 'mmdet')}
