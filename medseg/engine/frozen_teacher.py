"""A trained model that another one learns from."""
from __future__ import annotations

from collections.abc import Mapping

import torch
from mmdet.registry import MODELS
from torch import Tensor, nn

from .checkpoint import weights_of
from .checkpoint_file import CheckpointError, read_checkpoint


class FrozenTeacher:
    """A model in eval mode that takes no gradients, built and loaded when it is first used.

    It is no module: who holds one has none of its weights among its parameters or in its
    checkpoints, and needs the teacher's file for training alone.

    Args:
        settings (dict): Registered model: a detector or segmentor, of which ``extract_feat`` is
            taken, or an encoder, of which ``forward`` is.
        checkpoint (str): Its weights, read without running code.
        prefix (str): What the weights' names have before the teacher's own, such as
            ``image_encoder.`` of SAM.
        own (Mapping, optional): ``mean`` and ``std`` (3 each) that the images were normalised with
            for the student; none by default.
        theirs (Mapping, optional): Those that the teacher was trained with, in the same order of
            colours; the student's by default.
    """

    def __init__(self, settings: dict, checkpoint: str, prefix: str = '',
                 own: Mapping | None = None, theirs: Mapping | None = None) -> None:
        self.settings, self.checkpoint, self.prefix = settings, checkpoint, prefix
        own = dict(own or {})
        self._norms = [(tuple(norm.get('mean', (0, 0, 0))), tuple(norm.get('std', (1, 1, 1))))
                       for norm in (own, dict(theirs or own))]
        self._model: nn.Module | None = None

    def on(self, device: torch.device) -> nn.Module:
        """The model with its weights, on a device.

        Raises:
            CheckpointError: The weights cannot be read or do not fit.
        """
        if self._model is None:
            model = MODELS.build(self.settings)
            state = weights_of(read_checkpoint(self.checkpoint), self.checkpoint)
            state = {key[len(self.prefix):]: value for key, value in state.items()
                     if key.startswith(self.prefix)}
            try:
                model.load_state_dict(state)
            except RuntimeError as error:
                first = str(error).splitlines()[1].strip()
                raise CheckpointError(f'{self.checkpoint}: is not of the teacher '
                                      f'{self.settings["type"]}: {first[:200]}') from error
            self._model = model.requires_grad_(False).eval()
        return self._model.to(device)

    @torch.no_grad()
    def maps(self, images: Tensor) -> tuple[Tensor, ...]:
        """The teacher's maps of the student's images (B, 3, H, W), in its own normalisation."""
        (mean, std), (their_mean, their_std) = (
            [images.new_tensor(value).reshape(1, 3, 1, 1) for value in pair]
            for pair in self._norms)
        images = (images * std + mean - their_mean) / their_std
        model = self.on(images.device)
        found = model.extract_feat(images) if hasattr(model, 'extract_feat') else model(images)
        return tuple(found) if isinstance(found, (tuple, list)) else (found,)
