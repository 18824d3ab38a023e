"""Feature distillation: an encoder learns to give a larger, trained model's embedding."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from mmdet.registry import METRICS, MODELS
from mmdet.structures import SampleList
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from torch import Tensor, nn

from medseg.engine.frozen_teacher import FrozenTeacher


@MODELS.register_module()
class FeatureDistiller(BaseModel):
    """Trains a backbone and neck on the mean squared error to a frozen teacher's map.

    The teacher is any registered model: of a detector or segmentor ``extract_feat`` is taken, of
    an encoder its ``forward``. It sees the student's images in its own normalisation. It is built
    and loaded when it is first used, stays in eval mode, and is no part of the checkpoints. The
    student's weights go into a model with ``init_cfg=dict(type='Pretrained', checkpoint=FILE,
    prefix='backbone.')`` of its backbone, and with ``neck.`` of its neck.

    Args:
        backbone, neck (dict): The student; the neck's last map is compared.
        teacher (dict): Registered model.
        teacher_checkpoint (str): Its weights, read without running code.
        teacher_prefix (str): What the weights' names have before the teacher's own, such as
            ``image_encoder.`` of SAM.
        teacher_level (int): Which of the teacher's maps is learnt.
        teacher_input (dict, optional): ``mean`` and ``std`` (3 each, RGB, 0 to 255) that the
            teacher was trained with; the student's by default.
        adapter (tuple[int, int], optional): Channels of the student's and the teacher's map,
            joined by a 1x1 convolution that is dropped afterwards; None where they agree.
        data_preprocessor (dict): The student's.

    Raises:
        CheckpointError: The teacher's weights cannot be read or do not fit.
    """

    def __init__(self, backbone: dict, neck: dict, teacher: dict, teacher_checkpoint: str,
                 teacher_prefix: str = '', teacher_level: int = -1,
                 teacher_input: dict | None = None, adapter: tuple[int, int] | None = None,
                 data_preprocessor: dict | None = None, init_cfg=None) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.backbone = MODELS.build(backbone)
        self.neck = MODELS.build(neck)
        self.adapter = nn.Conv2d(*adapter, 1) if adapter else nn.Identity()
        self._teacher = FrozenTeacher(teacher, teacher_checkpoint, teacher_prefix,
                                      own=data_preprocessor, theirs=teacher_input)
        self.teacher_level = teacher_level

    def teacher(self, device: torch.device) -> nn.Module:
        """The frozen teacher with its weights, on a device."""
        return self._teacher.on(device)

    @torch.no_grad()
    def target(self, batch_inputs: Tensor, size: tuple[int, int]) -> Tensor:
        """The teacher's map of the student's images (B, 3, H, W), at the student's resolution."""
        found = self._teacher.maps(batch_inputs)[self.teacher_level]
        if tuple(found.shape[2:]) != tuple(size):
            found = F.interpolate(found, size=size, mode='bilinear', align_corners=False)
        return found

    def errors(self, batch_inputs: Tensor) -> Tensor:
        """Mean squared error of each image, (B,)."""
        own = self.adapter(self.neck(self.backbone(batch_inputs))[-1])
        target = self.target(batch_inputs, own.shape[2:])
        return F.mse_loss(own.float(), target.float(), reduction='none').mean((1, 2, 3))

    def forward(self, inputs: Tensor, data_samples: SampleList | None = None,
                mode: str = 'tensor') -> dict[str, Tensor] | Tensor | SampleList:
        """``loss``: the mean error; ``predict``: each sample's ``feature_error``; ``tensor``: the
        student's map."""
        if mode == 'tensor':
            return self.neck(self.backbone(inputs))[-1]
        errors = self.errors(inputs)
        if mode == 'loss':
            return dict(loss_feature=errors.mean())
        for sample, error in zip(data_samples, errors, strict=True):
            sample.set_field(float(error), 'feature_error')
        return data_samples


@METRICS.register_module()
class FeatureErrorMetric(BaseMetric):
    """Mean of ``feature_error`` over images, as ``distillation/mse``; less is better.

    Args:
        ann_file (str, optional): Not used; every metric of the configs names one.
        collect_device (str): 'cpu' or 'gpu'.
    """

    default_prefix = 'distillation'

    def __init__(self, ann_file: str | None = None, collect_device: str = 'cpu') -> None:
        super().__init__(collect_device=collect_device)

    def process(self, data_batch: dict, data_samples: list[dict]) -> None:
        """Keep each image's error."""
        self.results += [sample['feature_error'] for sample in data_samples]

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        """Their mean."""
        return dict(mse=sum(results) / len(results))
