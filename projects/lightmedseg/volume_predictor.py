"""From a config, a checkpoint and a volume's files to a label map in the file's own space."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import monai.transforms
import numpy as np
import torch
from mmdet.registry import MODELS, TRANSFORMS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import CheckpointLoader
from monai.data import MetaTensor

from medseg.engine.checkpoint import load_strictly
from medseg.errors import UserError

from .datasets.monai_transforms import MONAITransforms
from .datasets.volume_file import Volume, read_volume


class VolumePredictor:
    """A trained model, ready for one volume after another.

    Args:
        config (Config): The model's config; the ``load_pipeline`` of its test data is used.
        checkpoint_file (str): Its checkpoint.
        device (str): Such as ``cpu`` or ``cuda:0``.

    Attributes:
        classes (tuple[str, ...]): Names by label value, from the checkpoint where it has them.

    Raises:
        CheckpointError: The checkpoint cannot be read or does not fit.
    """

    def __init__(self, config: Config, checkpoint_file: str, device: str = 'cpu') -> None:
        init_default_scope(config.get('default_scope', 'mmdet'))
        checkpoint = CheckpointLoader.load_checkpoint(
            checkpoint_file, map_location='cpu', logger='silent')
        self.model = MODELS.build(config.model)
        load_strictly(self.model, checkpoint, checkpoint_file)
        self.model.to(device).eval()
        self.device = device
        meta = (checkpoint.get('meta') or {}).get('dataset_meta') or {}
        self.classes = tuple(meta.get('classes') or ())
        self.channels = tuple(meta.get('channels') or ())
        built = [TRANSFORMS.build(t) for t in config.test_dataloader.dataset.load_pipeline]
        self.steps = [step for step in built if isinstance(step, MONAITransforms)]

    @torch.no_grad()
    def __call__(self, files: Sequence[str | Path], progress: bool = False) -> Volume:
        """Segment one case.

        Args:
            files: One file with all channels, or one per channel in the model's order. A missing
                modality is given as ``None``: its channel is 0, the mean of a normalised image.
            progress: Show a bar over the windows.

        Returns:
            Volume: uint8 labels with the shape (without channels) and affine of the first file.

        Raises:
            UserError: A file cannot be read, or the channels are not the model's.
        """
        present = [Path(file) for file in files if file is not None]
        if not present:
            raise UserError('no file to predict on')
        source = read_volume(present[0])  # tells what is wrong with the file, before MONAI does
        for file in present[1:]:
            if read_volume(file).array.shape != source.array.shape:
                raise UserError(f'{file}: is of another size than {present[0]}')
        data = {'image': [str(file) for file in present]}
        for step in self.steps:
            data = step(data)
        image = data['image']
        volume = torch.zeros((len(files), *image.shape[1:])) if len(files) > 1 else \
            image.as_tensor()
        if len(files) > 1:
            volume[[i for i, file in enumerate(files) if file is not None]] = image.as_tensor()
        self._check_channels(present[0], len(volume))
        logits = self.model.whole_logits(volume[None].float().to(self.device), progress)
        labels = MetaTensor(logits[0].argmax(0, keepdim=True).float().cpu(), meta=image.meta,
                            applied_operations=image.applied_operations)
        return Volume(self._back(labels, data), source.affine)

    def _check_channels(self, file: Path, found: int) -> None:
        wanted = len(self.channels)
        if wanted and found != wanted:
            raise UserError(f'{file}: {found} channels, and the model takes {wanted}: '
                            f'{", ".join(self.channels)}; give a file with all of them, or one '
                            'per channel in this order ("-" for a missing one)')

    def _back(self, labels: MetaTensor, data: dict) -> np.ndarray:
        """Undo the loading's turns and resampling, nearest neighbour."""
        for step in reversed(self.steps):
            invert = monai.transforms.Invertd(
                keys='labels', transform=step.compose, orig_keys='image', nearest_interp=True,
                to_tensor=True)
            labels = invert({**data, 'labels': labels})['labels']
        return np.asarray(labels)[0].astype(np.uint8)
