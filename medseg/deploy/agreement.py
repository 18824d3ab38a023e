"""An exported model beside the PyTorch model it came from."""
from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.structures import InstanceData
from torch import Tensor, nn

from medseg.engine.building import data_sample
from medseg.engine.inference import Predictor
from medseg.models.prototype_head import PrototypeHead

from .detector import DeployedDetector


@dataclass(frozen=True)
class Deviation:
    """How far found instances are from the expected ones; matched by class, score and box."""

    expected: int
    found: int
    matched: int
    score: float
    """Largest difference of matched scores."""
    box: float
    """Largest difference of matched corners, pixels of the original image."""
    mask_iou: float
    """Smallest IoU of matched masks."""

    def __str__(self) -> str:
        return (f'{self.matched} of {self.expected} instances, score ±{self.score:.1e}, '
                f'box ±{self.box:.1e} px, mask IoU ≥ {self.mask_iou:.4f}')


def deployed_predictor(predictor: Predictor, config: Config, file: str | Path, threads: int = 0
                       ) -> Predictor:
    """The predictor with an exported file in the place of its model; the rest stays the same."""
    other = copy.copy(predictor)
    other.model = DeployedDetector(str(file), config.model.data_preprocessor, threads)
    return other


@torch.no_grad()
def predict(predictor: Predictor, image: np.ndarray) -> InstanceData:
    """Instances of a BGR image (H, W, 3), at its size, not rounded."""
    data = predictor.pipeline(dict(img=np.ascontiguousarray(image), img_id=0))
    return predictor.model.test_step(pseudo_collate([data]))[0].pred_instances.cpu()


def _mask_iou(first: Tensor, second: Tensor) -> float:
    union = (first | second).sum().item()
    return (first & second).sum().item() / union if union else 1.0


def deviation(expected: InstanceData, found: InstanceData, max_score: float = 1e-2,
              max_box: float = 1.0) -> Deviation:
    """Compare two predictions of one image.

    Args:
        expected, found (InstanceData): ``bboxes``, ``scores``, ``labels`` and bool ``masks``.
        max_score, max_box (float): Instances further apart are different ones.

    Returns:
        Deviation: The differences.
    """
    free = torch.ones(len(found), dtype=torch.bool)
    scores, boxes, ious = [0.0], [0.0], [1.0]
    for i in range(len(expected)):
        box = (found.bboxes - expected.bboxes[i]).abs().amax(-1) if len(found) else torch.empty(0)
        score = (found.scores - expected.scores[i]).abs()
        fits = (free & (found.labels == expected.labels[i]) & (box <= max_box)
                & (score <= max_score))
        if not fits.any():
            continue
        best = int(torch.where(fits, box + score, torch.inf).argmin())
        free[best] = False
        scores.append(float(score[best]))
        boxes.append(float(box[best]))
        ious.append(_mask_iou(expected.masks[i].bool(), found.masks[best].bool()))
    return Deviation(len(expected), len(found), len(scores) - 1, max(scores), max(boxes),
                     min(ious))


@torch.no_grad()
def raw_reference(model: nn.Module, image: Tensor) -> dict[str, np.ndarray]:
    """What a raw export of a model with a prototype head must give.

    Args:
        model (nn.Module): Detector in eval mode.
        image (Tensor): (B, 3, H, W), normalised.

    Returns:
        dict: ``boxes`` (B, A, 4), ``scores`` (B, A, C), ``coefficients`` (B, A, P) and
        ``prototypes`` (B, P, h, w).
    """
    head = model.mask_head
    if not isinstance(head, PrototypeHead):
        raise TypeError(f'{type(head).__name__} is no PrototypeHead')
    cls_scores, bbox_dists, coeffs, protos = head(model.extract_feat(image))
    return {'boxes': head._decode_boxes(head._flatten(bbox_dists, 4 * head.reg_max),
                                        head._priors(cls_scores)).numpy(),
            'scores': head._flatten(cls_scores, head.num_classes).sigmoid().numpy(),
            'coefficients': head._flatten(coeffs, head.num_protos).numpy(),
            'prototypes': protos.numpy()}


def raw_deviation(expected: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray]
                  ) -> dict[str, float]:
    """Largest absolute difference of each output."""
    return {name: float(np.abs(expected[name] - found[name]).max()) for name in expected}


def normalise(image: np.ndarray, config: Config) -> Tensor:
    """A BGR image (H, W, 3) uint8 as the model's input (1, 3, H, W), without resizing."""
    settings = config.model.data_preprocessor
    pixels = image[..., ::-1] if settings.get('bgr_to_rgb') else image
    values = (pixels - np.float32(settings.mean)) / np.float32(settings.std)
    return torch.from_numpy(values.transpose(2, 0, 1).copy())[None].float()


@torch.no_grad()
def randomise(model: nn.Module, image: Tensor, seed: int = 0) -> nn.Module:
    """Weights with which outputs differ everywhere, in place.

    Freshly initialised heads score every location alike, which compares nothing. Here every
    convolution and linear layer gives values of unit variance for ``image``.

    Args:
        model (nn.Module): A detector.
        image (Tensor): (1, 3, H, W), normalised; see :func:`normalise`.
        seed (int): Seed of the weights.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, value in model.named_parameters():
        if value.dim() > 1:
            value.normal_(0, value[0].numel() ** -0.5, generator=generator)
        elif not name.endswith(('weight', 'scale')):
            value.normal_(0, 0.1, generator=generator)
    seen = set()

    def rescale(module: nn.Module, inputs: tuple, output: Tensor) -> Tensor | None:
        if module in seen or not output.numel():
            return None
        seen.add(module)
        factor = 1 / output.std().clamp(min=1e-3)
        for value in module.parameters():
            value.mul_(factor)
        return output * factor

    handles = [module.register_forward_hook(rescale) for module in model.modules()
               if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear))]
    model.eval()(image, [data_sample(*image.shape[2:])], mode='predict')
    for handle in handles:
        handle.remove()
    return model
