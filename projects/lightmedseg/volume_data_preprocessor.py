"""Stacks volumes of a batch and moves them to the model's device."""
import torch
from mmdet.registry import MODELS
from mmengine.model import BaseDataPreprocessor


@MODELS.register_module()
class VolumeDataPreprocessor(BaseDataPreprocessor):
    """Volumes of a batch, which must be of one size, to (B, C, D, H, W) float32.

    Intensities are normalised in the data pipeline, where the whole volume is at hand.

    Raises:
        ValueError: Volumes of different sizes: crop them in the pipeline, or use batch size 1.
    """

    def forward(self, data: dict, training: bool = False) -> dict:
        data = self.cast_data(data)
        volumes = data['inputs']
        sizes = sorted({tuple(volume.shape) for volume in volumes})
        if len(sizes) > 1:
            raise ValueError(f'volumes of sizes {sizes} cannot be one batch; crop them to one '
                             'size in the pipeline, or use batch size 1')
        inputs = volumes if isinstance(volumes, torch.Tensor) else torch.stack(list(volumes))
        return dict(inputs=inputs.float(), data_samples=data.get('data_samples'))
