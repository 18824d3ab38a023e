"""MONAI's dictionary transforms in MMEngine pipelines, by name, with MMEngine's seeds."""
from __future__ import annotations

from typing import Any

import monai.transforms
import numpy as np
import torch
from mmdet.registry import TRANSFORMS

from ..volume_sample import VolumeSample


@TRANSFORMS.register_module()
class MONAITransforms:
    """A chain of transforms of ``monai.transforms``.

    Random ones draw from numpy's global generator, which MMEngine seeds per process and epoch,
    so that a run can be repeated.

    Args:
        transforms (list[dict]): ``type`` is the class's name, the rest its arguments.

    Raises:
        ValueError: MONAI has no such transform.
    """

    def __init__(self, transforms: list[dict]) -> None:
        built = []
        for config in transforms:
            config = dict(config)
            name = config.pop('type')
            if not hasattr(monai.transforms, name):
                raise ValueError(f'{name}: no such transform in monai.transforms')
            built.append(getattr(monai.transforms, name)(**config))
        self.compose = monai.transforms.Compose(built)
        self.is_random = any(isinstance(t, monai.transforms.Randomizable) for t in built)

    def __call__(self, results: dict) -> dict:
        if self.is_random:  # others draw nothing, so that a cached load changes no later draw
            self.compose.set_random_state(seed=int(np.random.randint(2 ** 31)))
        out = self.compose(results)
        # Crops come as lists of samples.
        if isinstance(out, list):
            if len(out) != 1:
                raise ValueError(f'num_samples must be 1, got a list of {len(out)} crops')
            out = out[0]
        return out


@TRANSFORMS.register_module()
class MapLabelValues:
    """Give label values of the files those of the list's classes, by the list's ``label_map``.

    Values that the map does not name become background (0).
    """

    def __call__(self, results: dict) -> dict:
        if results.get('label_map') and results.get('label') is not None:
            label = results['label']
            mapped = torch.zeros_like(label)
            for old, new in results['label_map'].items():
                mapped[label == old] = new
            results['label'] = mapped
        return results


@TRANSFORMS.register_module()
class PackVolume:
    """The end of a pipeline: ``image`` (C, D, H, W) and ``label`` (1, D, H, W) for the model.

    Returns a dict with ``inputs`` (C, D, H, W) float32 and ``data_samples``, a
    :class:`VolumeSample` with ``label`` (D, H, W) int64 where there is one, and ``case``,
    ``patient``, ``affine`` and ``spacing`` of the arrays as they are then.
    """

    def __call__(self, results: dict[str, Any]) -> dict:
        image = results['image']
        affine = np.asarray(image.affine, dtype=float)
        sample = VolumeSample(metainfo=dict(
            case=results['case'], patient=results['patient'], affine=affine,
            spacing=tuple(float(s) for s in np.linalg.norm(affine[:3, :3], axis=0))))
        if results.get('label') is not None:
            sample.label = torch.as_tensor(np.asarray(results['label'])[0]).long()
        return dict(inputs=image.as_tensor().float().contiguous(), data_samples=sample)
