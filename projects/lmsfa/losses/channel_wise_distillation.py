"""Learning a stronger model's maps, channel by channel."""
from collections.abc import Sequence
from pathlib import Path

import torch.nn.functional as F
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmengine.config import Config
from torch import Tensor, nn

from medseg.engine.frozen_teacher import FrozenTeacher
from medseg.errors import UserError
from medseg.paths import shipped_root


def channel_wise_divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    r"""How far each channel looks elsewhere than the teacher's (Shu et al. 2021, Eq. 3 and 4).

    .. math::
        \frac{T^2}{B C} \sum_{b, c} \sum_i \phi(t_{bci})
        \log \frac{\phi(t_{bci})}{\phi(s_{bci})}, \quad
        \phi(x_i) = \frac{e^{x_i / T}}{\sum_j e^{x_j / T}}

    A channel's map becomes a distribution over places, so that its scale and offset count little.

    Args:
        student, teacher (Tensor): (B, C, H, W).
        temperature (float): T, above 0; the larger, the wider the places that count.

    Returns:
        Tensor: Scalar, not negative; 0 for equal maps, and for maps that differ by a constant in
        each channel.
    """
    student, teacher = ((x.float().flatten(2) / temperature).log_softmax(-1)
                        for x in (student, teacher))
    divergence = F.kl_div(student, teacher, reduction='none', log_target=True).sum(-1)
    return temperature ** 2 * divergence.mean()


@MODELS.register_module()
class ChannelWiseDistillation(nn.Module):
    """Distillation of a frozen teacher's neck into the student's, as an auxiliary loss.

    The teacher sees the same augmented images. It is read at the first training step and is in no
    checkpoint; the student's adapters, 1x1 convolutions to the teacher's channels, are, and vanish
    when the model is fused.

    Args:
        teacher (str): The teacher's config; a relative path starts at the folder of ``configs/``.
        teacher_checkpoint (str): Its weights.
        in_channels (Sequence[int]): Channels of the student's maps.
        teacher_channels (Sequence[int]): Those of the teacher's, level by level.
        temperature (float): See :func:`channel_wise_divergence`.
        loss_weight (float): Weight of the levels' sum.
        mean, std, bgr_to_rgb: The student's normalisation; the project's own by default.

    Raises:
        UserError: At the first step: the teacher's config is missing or takes the colours in
            another order, its weights cannot be read or do not fit, or its maps are others than
            ``teacher_channels`` says.
    """

    def __init__(self, teacher: str, teacher_checkpoint: str, in_channels: Sequence[int],
                 teacher_channels: Sequence[int], temperature: float = 4.0,
                 loss_weight: float = 1.0, mean: Sequence[float] = (0., 0., 0.),
                 std: Sequence[float] = (255., 255., 255.), bgr_to_rgb: bool = True) -> None:
        super().__init__()
        self.adapters = nn.ModuleList(
            nn.Conv2d(own, theirs, 1)
            for own, theirs in zip(in_channels, teacher_channels, strict=True))
        self.config, self.checkpoint = teacher, teacher_checkpoint
        self.temperature, self.loss_weight = temperature, loss_weight
        self.normalisation = dict(mean=tuple(mean), std=tuple(std), bgr_to_rgb=bgr_to_rgb)
        self._teacher: FrozenTeacher | None = None

    @property
    def teacher(self) -> FrozenTeacher:
        """The teacher; its config is read here for the first time."""
        if self._teacher is None:
            path = Path(self.config)
            path = path if path.is_absolute() else shipped_root() / path
            if not path.is_file():
                raise UserError(f'{self.config}: no such config of a teacher')
            model = Config.fromfile(path).model
            theirs = model.get('data_preprocessor') or {}
            if bool(theirs.get('bgr_to_rgb', False)) != self.normalisation['bgr_to_rgb']:
                raise UserError(f'{self.config}: takes the colours in another order than the '
                                'student; another teacher is needed')
            self._teacher = FrozenTeacher(model, self.checkpoint, own=self.normalisation,
                                          theirs=theirs)
        return self._teacher

    def forward(self, feats: Sequence[Tensor], decoded_from: Tensor, batch_inputs: Tensor,
                batch_data_samples: SampleList) -> Tensor:
        """Weighted sum over the levels.

        Args:
            feats (Sequence[Tensor]): The student's neck, (B, C_i, H_i, W_i).
            decoded_from (Tensor): Not used.
            batch_inputs (Tensor): Images, (B, 3, H, W).
            batch_data_samples (list[DetDataSample]): Not used.
        """
        targets = self.teacher.maps(batch_inputs)
        wanted, found = [conv.out_channels for conv in self.adapters], [t.shape[1] for t in targets]
        if wanted != found:
            raise UserError(f'{self.config}: its maps have {found} channels, teacher_channels says '
                            f'{wanted}')
        total = 0
        for own, adapter, target in zip(feats, self.adapters, targets, strict=True):
            if own.shape[2:] != target.shape[2:]:
                target = F.interpolate(target, size=own.shape[2:], mode='bilinear',
                                       align_corners=False)
            total = total + channel_wise_divergence(adapter(own), target, self.temperature)
        return self.loss_weight * total
