"""Pictures of what the network is fed with."""
from __future__ import annotations

from pathlib import Path

import numpy as np
from mmdet.registry import HOOKS
from mmengine.dist import master_only
from mmengine.hooks import Hook

from medseg.data.pictures import draw_annotations, tile, write_png
from medseg.metrics.rle import encode_masks

#: Longest side of an image in the mosaic, in pixels, and how many are shown.
SIDE, MOST = 320, 16


@HOOKS.register_module()
class BatchPictureHook(Hook):
    """Draw the first batches of a training, augmented as they are, with their annotations.

    Each becomes ``WORK_DIR/report/batch_N.png``. A resumed training draws none.

    Args:
        count (int): Number of batches.
    """

    def __init__(self, count: int = 3) -> None:
        self.count = count

    @master_only
    def before_train_iter(self, runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Draw the batch if it is one of the first."""
        if runner.iter >= self.count:
            return
        meta = runner.train_dataloader.dataset.metainfo
        names = dict(enumerate(meta['classes']))
        colors = meta.get('palette')
        colors = colors if colors and len(colors) == len(names) else None
        pictures = []
        for image, sample in list(zip(data_batch['inputs'], data_batch['data_samples'],
                                      strict=True))[:MOST]:
            pixels = np.ascontiguousarray(image.numpy().transpose(1, 2, 0)[..., ::-1])
            truth = sample.gt_instances
            boxes = np.asarray(getattr(truth.bboxes, 'tensor', truth.bboxes))
            annotations = [
                dict(category_id=int(label), segmentation=rle, area=float(mask.sum()),
                     bbox=[*box[:2], *(box[2:] - box[:2])])
                for label, rle, mask, box in zip(
                    truth.labels, encode_masks(truth.masks.to_ndarray().astype(bool)),
                    truth.masks.to_ndarray(), boxes, strict=True)]
            pictures.append(draw_annotations(pixels, annotations, names, colors=colors))
        write_png(Path(runner.work_dir) / 'report' / f'batch_{runner.iter}.png',
                  tile(pictures, SIDE))
