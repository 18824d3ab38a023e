"""What 3-D networks cost: parameters, operations, memory of a training step, exported latency."""
from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from medseg.benchmark.memory import MIB, PeakMemory

from .skip_router import SkipRouter


def build(config: Config) -> nn.Module:
    """The model of a config, with random weights."""
    import projects.lightmedseg.training  # noqa: F401
    init_default_scope(config.get('default_scope', 'mmdet'))
    torch.manual_seed(0)
    return MODELS.build(config.model)


def channels(config: Config) -> int:
    """Channels that the network takes."""
    return int(config.model.network.in_channels)


def complexity(config: Config, size: int) -> tuple[int, float]:
    """Parameters, and GFLOPs (2 per multiply-accumulate) of a window of ``size`` cubed.

    Convolutions, transposed convolutions, linear layers and matrix products count, as
    ``torch.utils.flop_counter`` counts; routing as it is defined, not its form with less memory.
    """
    with torch.device('meta'):
        model = build(config).eval()
        for module in model.modules():
            if isinstance(module, SkipRouter):
                module.low_memory = False
        with FlopCounterMode(display=False) as counter:
            model.network(torch.empty(1, channels(config), size, size, size))
    return sum(p.numel() for p in model.parameters()), counter.get_total_flops() / 1e9


def by_module(size: int) -> list[tuple[str, int, float]]:
    """Name, parameters and GFLOPs of each module of LightMedSeg, configuration A."""
    from .network import LightMedSegNet
    with torch.device('meta'):
        net = LightMedSegNet(router=dict(channels=64, routed=(2, 3), low_memory=False)).eval()
        with FlopCounterMode(display=False, depth=4) as counter:
            net(torch.empty(1, net.in_channels, size, size, size))
    counts = counter.get_flop_counts()
    rows = []
    for name, module in net.named_children():
        parts = [(f'{name} {i + 1}', f'{name}.{i}', part) for i, part in enumerate(module)] \
            if isinstance(module, nn.ModuleList) else [(name, name, module)]
        rows += [(title, sum(p.numel() for p in part.parameters()),
                  sum(counts.get(f'LightMedSegNet.{key}', {}).values()) / 1e9)
                 for title, key, part in parts if not isinstance(part, nn.MaxPool3d)]
    return rows


def _training_step(text: str, size: int) -> float:
    config = Config.fromstring(text, '.py')
    with PeakMemory(torch.device('cpu')) as peak:
        model = build(config).train()
        optimizer = torch.optim.AdamW(model.parameters())
        volume = torch.randn(1, channels(config), size, size, size)
        target = torch.randint(0, 2, (1, size, size, size))
        sum(model.loss(model.logits(volume), target).values()).backward()
        optimizer.step()
    return peak.bytes / MIB


def training_memory(config: Config, size: int) -> float:
    """Peak MiB of one training step at batch 1, above the process before it, in its own process."""
    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:
        return pool.submit(_training_step, config.pretty_text, size).result()


def latencies(files: Mapping[str, Path], size: int, rounds: int, threads: int
              ) -> dict[str, list[float]]:
    """Milliseconds of one window in ONNX Runtime, the models in turn, round by round."""
    from medseg.runtime.session import open_session
    sessions = {name: open_session(file, 'onnxruntime', threads) for name, file in files.items()}
    found: dict[str, list[float]] = {name: [] for name in files}
    for turn in range(rounds + 1):
        for name, session in sessions.items():
            shape = (1, int(session.inputs[0].shape[1]), size, size, size)
            window = np.random.default_rng(turn).standard_normal(shape, dtype=np.float32)
            start = time.perf_counter()
            session.run({session.inputs[0].name: window})
            if turn:  # the first round warms up
                found[name].append(1000 * (time.perf_counter() - start))
    return found


def load() -> float:
    """The machine's load average of the last minute."""
    return os.getloadavg()[0]


def ratio(values: Sequence[float], base: Sequence[float]) -> float:
    """Median of the ratios round by round."""
    return float(np.median(np.divide(values, base)))
