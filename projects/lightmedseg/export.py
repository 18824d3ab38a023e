"""3-D networks to ONNX and OpenVINO: one window in, scores out, with what a runtime must know."""
from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from medseg.deploy.export import to_openvino
from medseg.errors import UserError
from medseg.io import replacing
from medseg.runtime.metadata import KEY, VERSION
from medseg.runtime.volume import KIND

from .volume_segmentor import VolumeSegmentor


class _Logits(nn.Module):
    """The network with its scores as the only output."""

    def __init__(self, model: VolumeSegmentor) -> None:
        super().__init__()
        self.model = model

    def forward(self, volume: Tensor) -> Tensor:
        return self.model.logits(volume)


def export_window(model: VolumeSegmentor, out: Path, classes: Sequence[str],
                  channels: Sequence[str], window: Sequence[int], openvino: bool = False
                  ) -> Path:
    """Export a model for windows of one size.

    Args:
        model: With its weights.
        out: The ``.onnx`` file to write.
        classes: Names by label value.
        channels: Names of the input's channels.
        window: (D, H, W) in voxels.
        openvino: Also write ``.xml`` and ``.bin`` beside it.

    Returns:
        Path: The file to load.

    Raises:
        UserError: ``out`` is no ``.onnx`` name.
    """
    if out.suffix != '.onnx':
        raise UserError(f'{out}: the name of the export must end in .onnx')
    description = dict(version=VERSION, kind=KIND, classes=list(classes), channels=list(channels),
                       window=list(window), overlap=model.test_cfg.get('overlap', 0.5))
    volume = torch.zeros(1, len(channels), *window)
    with replacing(out, '.onnx') as part:
        torch.onnx.export(_Logits(model).eval(), (volume,), str(part), input_names=['volume'],
                          output_names=['logits'], opset_version=17, dynamo=False)
        graph = onnx.load(part)
        onnx.helper.set_model_props(graph, {KEY: json.dumps(description)})
        onnx.checker.check_model(graph)
        onnx.save(graph, part)
    return to_openvino(out) if openvino else out
