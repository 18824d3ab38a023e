"""Trains and runs any registered 3-D network on volumes, whole or by sliding window."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModel
from monai.inferers import sliding_window_inference
from torch import Tensor

from .volume_sample import VolumeSample


@MODELS.register_module()
class VolumeSegmentor(BaseModel):
    """Segmentation of volumes: a network, a loss, a sliding window.

    Args:
        network (dict): Registered network, (B, C_in, D, H, W) -> logits (B, C, D, H, W), or a
            dict that holds them under ``logits``.
        loss (dict, optional): Registered loss, (logits, target) -> dict of scalars.
        test_cfg (dict): ``roi_size`` (D, H, W) of the window in voxels; none for whole volumes.
            ``overlap`` of neighbouring windows as a share (0.5), ``sw_batch_size`` (1). Windows
            are blended by a Gaussian; a volume smaller than the window is padded.
        data_preprocessor (dict, optional): Registered preprocessor.
    """

    def __init__(self, network: dict, loss: dict | None = None, test_cfg: dict | None = None,
                 data_preprocessor: dict | None = None, init_cfg=None) -> None:
        super().__init__(data_preprocessor or dict(type='VolumeDataPreprocessor'), init_cfg)
        self.network = MODELS.build(network)
        self.loss = MODELS.build(loss) if loss else None
        self.test_cfg = dict(test_cfg or {})

    def logits(self, volume: Tensor) -> Tensor:
        """Raw scores (B, C, D, H, W) of one window."""
        out = self.network(volume)
        return out['logits'] if isinstance(out, dict) else out

    def whole_logits(self, volume: Tensor, progress: bool = False) -> Tensor:
        """Raw scores of a volume of any size, by sliding window where ``roi_size`` is set."""
        roi: Sequence[int] | None = self.test_cfg.get('roi_size')
        if roi is None:
            return self.logits(volume)
        return sliding_window_inference(
            volume, tuple(roi), self.test_cfg.get('sw_batch_size', 1), self.logits,
            overlap=self.test_cfg.get('overlap', 0.5), mode='gaussian', progress=progress)

    def forward(self, inputs: Tensor, data_samples: list[VolumeSample] | None = None,
                mode: str = 'tensor'):
        """As MMEngine's models: ``tensor``, ``loss`` or ``predict``.

        Args:
            inputs (Tensor): (B, C_in, D, H, W).
            data_samples (list[VolumeSample], optional): One per volume.
            mode (str): ``'tensor'`` gives logits, ``'loss'`` a dict of scalars, ``'predict'`` the
                samples with ``pred_label``, uint8 (D, H, W).
        """
        if mode == 'loss':
            target = torch.stack([sample.label for sample in data_samples]).to(inputs.device)
            return self.loss(self.logits(inputs), target.long())
        if mode == 'tensor':
            return self.logits(inputs)
        samples = data_samples or [VolumeSample() for _ in inputs]
        for volume, sample in zip(inputs, samples, strict=True):
            sample.pred_label = self.whole_logits(volume[None])[0].argmax(0).to(torch.uint8)
        return samples
