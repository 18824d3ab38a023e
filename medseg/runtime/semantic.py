"""Semantic models: from a frame to the area of each class."""
from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .model_file import ModelFile, Session
from .postprocess import Instances, boxes_of, interpolation_matrix, last_trusted
from .preprocess import Geometry
from .session import ModelError


@dataclass
class Areas(Instances):
    """The area of each class in an image: instances, at most one a class, in the classes' order.

    An instance's mask is the whole area of its class, its score the mean probability inside.

    Attributes:
        class_masks: (K, H, W) bool, every class, also those without a pixel; they may overlap.
        label_map: (H, W) uint8, 0 where no class is, else 1 + the class, the most probable one
            where several are.
    """

    class_masks: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 0), bool))
    label_map: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.uint8))

    def pictures(self) -> dict[str, np.ndarray]:
        """What is written beside the overlay: ``labels``, the label map."""
        return {'labels': self.label_map}


class AreaPostprocessor:
    """Areas from the logits of an export.

    Args:
        metadata (Mapping): See :func:`medseg.runtime.metadata.describe`.
        threshold (float): Probability above which a pixel belongs to a class, in (0, 1).
    """

    def __init__(self, metadata: Mapping[str, Any], threshold: float) -> None:
        self.threshold = threshold

    def __call__(self, outputs: Mapping[str, np.ndarray], geometry: Geometry) -> Areas:
        """Areas in the one image of a batch.

        Args:
            outputs (Mapping[str, np.ndarray]): ``logits`` (1, K, h, w).
            geometry (Geometry): Of the image.
        """
        return self.begin(outputs, geometry)()

    def begin(self, outputs: Mapping[str, np.ndarray], geometry: Geometry) -> Callable[[], Areas]:
        """As :meth:`.postprocess.Postprocessor.begin`."""
        maps, threshold = outputs['logits'][0].copy(), self.threshold
        return lambda: self._areas(_resample(maps, geometry), threshold)

    @staticmethod
    def _areas(logits: np.ndarray, threshold: float) -> Areas:
        """From logits (K, H, W) at the image's size."""
        masks = logits > math.log(threshold / (1 - threshold))
        found = np.flatnonzero(masks.any((1, 2)))
        best = np.where(masks, logits, -np.inf).argmax(0).astype(np.uint8) + 1
        scores = [_sigmoid(logits[label][masks[label]]).mean() for label in found]
        return Areas(boxes_of(masks[found]), found.astype(np.int64), np.float32(scores),
                     masks[found], class_masks=masks,
                     label_map=np.where(masks.any(0), best, np.uint8(0)))


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def _resample(maps: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Maps (K, h, w) of the padded input at the image's own size, bilinearly."""
    scale = [maps.shape[2 - i] / geometry.padded[1 - i] * geometry.factor[i] for i in (0, 1)]
    height, width = geometry.original
    to_x, to_y = (
        interpolation_matrix(out, size, step, last_trusted(out, size, step))
        for out, size, step in ((width, maps.shape[2], scale[0]),
                                (height, maps.shape[1], scale[1])))
    return to_y @ (maps @ to_x.T)


class SemanticSegmenter(ModelFile):
    """An exported semantic model, ready for one frame after another.

    Args:
        path, backend, threads, session: See :class:`.ModelFile`.
        threshold (float, optional): Probability above which a pixel belongs to a class, in (0, 1);
            that of the model's config by default. May be changed between frames:
            ``postprocess.threshold``.

    Attributes and errors are those of :class:`.ModelFile`.
    """

    kinds = ('semantic',)
    instances = False

    def __init__(self, path: str | Path, backend: str = 'auto', threads: int | None = None,
                 threshold: float | None = None, session: Session | None = None) -> None:
        super().__init__(path, backend, threads, session)
        threshold = self.metadata['mask_thr'] if threshold is None else threshold
        if not 0 < threshold < 1:
            raise ModelError(f'threshold {threshold}: must be between 0 and 1, both excluded')
        if len(self.class_names) > 255:
            raise ModelError(f'{path}: {len(self.class_names)} classes; a label map of uint8 has '
                             'room for 255')
        self.postprocess = AreaPostprocessor(self.metadata, threshold)
