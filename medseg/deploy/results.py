"""Outputs of an exported model as MMDetection's instances, made by the runtime that ships."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from mmengine.structures import InstanceData

from medseg.runtime.postprocess import Postprocessor
from medseg.runtime.preprocess import Geometry
from medseg.runtime.semantic import AreaPostprocessor


def instances(outputs: Mapping[str, np.ndarray], index: int, meta: Mapping, metadata: Mapping,
              input_size: Sequence[int]) -> InstanceData:
    """Instances of one image, so that an exported file is scored by the code that users run.

    Args:
        outputs (Mapping[str, np.ndarray]): What the model gave for a batch.
        index (int): Position of the image in the batch.
        meta (Mapping): ``img_shape`` after resizing and ``ori_shape``.
        metadata (Mapping): See :func:`medseg.runtime.metadata.describe`.
        input_size (Sequence[int]): Height and width of the model's input.

    Returns:
        InstanceData: ``bboxes`` (n, 4), ``scores`` (n,), ``labels`` (n,) and bool ``masks``
        (n, H, W), by descending score; of semantic models at most one per class.
    """
    geometry = Geometry(*(tuple(int(side) for side in size[:2])
                          for size in (meta['ori_shape'], meta['img_shape'], input_size)))
    read = AreaPostprocessor(metadata, metadata['mask_thr']) if metadata['kind'] == 'semantic' \
        else Postprocessor(metadata, metadata['score_thr'])
    found = read({name: np.asarray(values[index])[None] for name, values in outputs.items()},
                 geometry)
    return InstanceData(
        bboxes=torch.from_numpy(np.ascontiguousarray(found.boxes, dtype=np.float32)),
        scores=torch.from_numpy(np.ascontiguousarray(found.scores, dtype=np.float32)),
        labels=torch.from_numpy(np.ascontiguousarray(found.labels, dtype=np.int64)),
        masks=torch.from_numpy(np.ascontiguousarray(found.masks)))
