"""Latency of one image, split into preprocessing, network and post-processing.

*Preprocessing* is everything between a BGR array in memory and the network's input on the device:
the test pipeline without reading the file, and the data preprocessor. *Post-processing* is what
the heads do with the raw maps (``predict_by_feat``: scores, NMS, masks at the image's own size);
selecting a two-stage detector's proposals belongs to the network. *Network* is the rest. The
device is waited for at each boundary.
"""
from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch import nn

from medseg.engine.building import build_model
from medseg.engine.checkpoint import is_fused, restore
from medseg.engine.fuse import fuse_model

from .inputs import frames, inference_pipeline

PARTS = ('preprocessing', 'network', 'postprocessing')
PERCENTILES = (50, 95, 99)
TYPES = {'fp32': torch.float32, 'fp16': torch.float16, 'bf16': torch.bfloat16}


class NotSupported(Exception):
    """The device cannot do this; no failure of the model."""


def check_precision(precision: str, device: torch.device) -> None:
    """Whether a device computes in a precision natively.

    Raises:
        NotSupported: It does not.
    """
    if precision == 'fp32':
        return
    if device.type == 'cuda':
        if precision == 'bf16' and not torch.cuda.is_bf16_supported(including_emulation=False):
            raise NotSupported(f'{torch.cuda.get_device_name(device)} has no bf16')
        return
    info = Path('/proc/cpuinfo')
    flags = info.read_text(encoding='utf-8', errors='replace') if info.is_file() else ''
    wanted = {'bf16': ('avx512_bf16', 'amx_bf16', ' bf16'), 'fp16': ('amx_fp16', 'avx512_fp16')}
    if not any(flag in flags for flag in wanted[precision]):
        raise NotSupported(f'the processor has no {precision}')


def load_model(config: Config, checkpoint: str | None, device: torch.device, fuse: bool
               ) -> nn.Module:
    """A model ready to predict; with random weights where there is no checkpoint.

    Raises:
        CheckpointError: The checkpoint cannot be read or does not fit.
    """
    if config.model.get('backbone', {}).get('init_cfg'):
        config.model.backbone.init_cfg = None  # nothing is downloaded to measure a time
    model = build_model(config)
    fused = False
    if checkpoint is not None:
        fused = is_fused(restore(model, checkpoint))
    if fuse and not fused:
        fuse_model(model)
    return model.to(device).eval().to(memory_format=torch.channels_last)


def _as_float(value: Any) -> Any:
    """Half-precision tensors inside nested containers as float32: NMS knows nothing else."""
    if isinstance(value, torch.Tensor):
        return value.float() if value.dtype in (torch.float16, torch.bfloat16) else value
    if isinstance(value, (list, tuple)) and not hasattr(value, '_fields'):
        return type(value)(_as_float(item) for item in value)
    return value


class Stopwatch:
    """Adds up the time inside the outermost calls of the functions it wraps.

    Args:
        device (torch.device): Is waited for at both ends of a call.
    """

    def __init__(self, device: torch.device) -> None:
        self.device, self.total, self._depth = device, 0.0, 0

    def now(self) -> float:
        """Seconds, when the device has done all it was given."""
        if self.device.type == 'cuda':
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def wrap(self, function: Callable, timed: bool = True) -> Callable:
        """``function`` in float32, its time added to ``total`` if ``timed``."""

        def wrapped(*args, **kwargs):
            with torch.autocast(self.device.type, enabled=False):
                args = _as_float(args)
                kwargs = {key: _as_float(value) for key, value in kwargs.items()}
                if not timed or self._depth:
                    return function(*args, **kwargs)
                self._depth += 1
                start = self.now()
                try:
                    return function(*args, **kwargs)
                finally:
                    self.total += self.now() - start
                    self._depth -= 1

        return wrapped


def watch_postprocessing(model: nn.Module, watch: Stopwatch) -> int:
    """Wrap what turns raw maps into instances; returns how many functions that were."""
    found = 0
    for name, module in model.named_modules():
        inner = name.split('.')[-1]
        if inner == 'panoptic_fusion_head':
            module.predict = watch.wrap(module.predict)
            found += 1
        elif callable(getattr(module, 'predict_by_feat', None)):
            proposals = inner == 'rpn_head'
            module.predict_by_feat = watch.wrap(module.predict_by_feat, timed=not proposals)
            found += not proposals
    return found


@torch.no_grad()
def time_model(config: Config, checkpoint: str | None, device_name: str, precision: str,
               fuse: bool, iterations: int, warm_up: int) -> dict:
    """Predict on one image after another.

    Args:
        config (Config): The model's config; its test pipeline sets the size.
        checkpoint (str | None): Weights; random without.
        device_name (str): Such as ``cpu`` or ``cuda:0``.
        precision (str): ``fp32``, or ``fp16`` and ``bf16`` by autocast.
        fuse (bool): Time the inference form.
        iterations (int): Timed predictions.
        warm_up (int): Predictions before.

    Returns:
        dict: ``preprocessing``, ``network``, ``postprocessing`` and ``total``, seconds of each
        iteration; ``images``, what was predicted on; ``instances``, mean number found.

    Raises:
        NotSupported: The device does not have the precision.
    """
    device = torch.device(device_name)
    check_precision(precision, device)
    images, origin = frames(config, iterations)
    model = load_model(config, checkpoint, device, fuse)
    pipeline = Compose(inference_pipeline(config))
    watch = Stopwatch(device)
    separable = watch_postprocessing(model, watch) > 0
    times: dict[str, list[float]] = {part: [] for part in (*PARTS, 'total')}
    found = []
    for turn in range(warm_up + iterations):
        image = images[turn % len(images)]
        watch.total = 0.0
        start = watch.now()
        data = pseudo_collate([pipeline(dict(img=image, img_id=0))])
        data = model.data_preprocessor(data, False)
        ready = watch.now()
        with torch.autocast(device.type, dtype=TYPES[precision], enabled=precision != 'fp32'):
            results = model(**data, mode='predict')
        end = watch.now()
        if turn < warm_up:
            continue
        found.append(len(results[0].pred_instances))
        for part, value in zip((*PARTS, 'total'), (
                ready - start, end - ready - watch.total, watch.total, end - start), strict=True):
            times[part].append(value)
    return dict(times, images=origin, instances=float(np.mean(found)), separable=separable)


def summarise(rounds: Sequence[dict]) -> dict:
    """Percentiles over all iterations of all rounds.

    Args:
        rounds (Sequence[dict]): What :func:`time_model` gave, round by round.

    Returns:
        dict: By part and ``total``: ``p50_ms``, ``p95_ms``, ``p99_ms``; ``fps`` = 1 / median of
        the total, ``network_fps`` = 1 / median of the network; ``round_medians_ms`` of the total;
        ``iterations`` and ``rounds``, how many; ``instances`` and ``images``.
    """
    result: dict[str, Any] = {}
    for part in (*PARTS, 'total'):
        values = 1e3 * np.concatenate([r[part] for r in rounds])
        result[part] = {f'p{p}_ms': round(float(np.percentile(values, p)), 4)
                        for p in PERCENTILES}
    result['fps'] = round(1e3 / result['total']['p50_ms'], 2)
    result['network_fps'] = round(1e3 / max(result['network']['p50_ms'], 1e-6), 2)
    result['round_medians_ms'] = [round(1e3 * float(np.median(r['total'])), 4) for r in rounds]
    result['iterations'] = sum(len(r['total']) for r in rounds)
    result['rounds'] = len(rounds)
    result['instances'] = round(float(np.mean([r['instances'] for r in rounds])), 1)
    result['images'] = rounds[0]['images']
    result['separable'] = all(r['separable'] for r in rounds)
    return result
