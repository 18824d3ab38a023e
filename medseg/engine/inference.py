"""From a config, a checkpoint and an array to instances in plain Python."""
from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from mmcv.transforms import Compose
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from pycocotools import mask as mask_utils

from medseg.configs import prediction_pipeline, test_dataset
from medseg.engine.checkpoint import restore
from medseg.engine.classes import trained_classes
from medseg.errors import UserError
from medseg.runtime.images import ImageError
from medseg.runtime.palette import class_colors


@dataclass(frozen=True)
class ClassInfo:
    """What is known about a model's classes, in the order of its labels.

    Attributes:
        names (tuple[str, ...]): Their names.
        colors (list[tuple[int, int, int]]): RGB, 0 to 255.
        category_ids (list[int]): Ids in the annotation file that the model was trained on; 1, 2,
            ... where nothing says.
    """

    names: tuple[str, ...]
    colors: list[tuple[int, int, int]]
    category_ids: list[int]

    @property
    def name_of(self) -> dict[int, str]:
        """Names by category id, as :func:`medseg.data.pictures.draw_annotations` takes them."""
        return dict(zip(self.category_ids, self.names, strict=True))


def class_info(config: Config, checkpoint: dict) -> ClassInfo:
    """The classes of a model: names and order from its checkpoint, else from its config.

    Colours and category ids are found by name; those of the config's ``metainfo`` win over the
    checkpoint's, those over the data set's own.

    Raises:
        UserError: Neither names the classes.
    """
    dataset = test_dataset(config)
    meta = checkpoint.get('meta', {}) if isinstance(checkpoint, dict) else {}
    trained = {key.lower(): value for key, value in (meta.get('dataset_meta') or {}).items()}
    own = getattr(DATASETS.get(dataset['type']), 'METAINFO', {})
    given = dict(dataset.get('metainfo') or {})
    described = given if given.get('classes') else {**own, **given}
    names = trained_classes(checkpoint, 'the checkpoint') or described.get('classes')
    if not names:
        raise UserError('neither the checkpoint nor the config names the classes; set '
                        "test_dataloader.dataset.metainfo.classes=\"('a','b')\" in the config")
    names = (names,) if isinstance(names, str) else tuple(names)
    colors = dict(zip(names, class_colors(names), strict=True))
    ids = {name: number for number, name in enumerate(names, start=1)}
    for source in (own, trained, described):
        known = source.get('classes') or ()
        known = (known,) if isinstance(known, str) else known
        for target, key in ((colors, 'palette'), (ids, 'category_ids')):
            values = source.get(key)
            if isinstance(values, (list, tuple)) and len(values) == len(known):
                target.update(zip(known, values, strict=True))
    return ClassInfo(names, [tuple(int(v) for v in colors[name]) for name in names],
                      [int(ids[name]) for name in names])


class Predictor:
    """A trained model, plain or fused, ready for one image after another.

    Args:
        config (Config): The model's config.
        checkpoint_file (str): Its checkpoint.
        device (str): Such as ``cpu`` or ``cuda:0``.

    Attributes:
        classes (ClassInfo): Names, colours and category ids; may be replaced.

    Raises:
        CheckpointError: The checkpoint cannot be read or does not fit.
        UserError: The classes are unknown.
    """

    def __init__(self, config: Config, checkpoint_file: str, device: str = 'cpu') -> None:
        init_default_scope(config.get('default_scope', 'mmdet'))
        config = config.copy()
        if config.model.get('backbone', {}).get('init_cfg'):
            config.model.backbone.init_cfg = None  # no download: the checkpoint has the weights
        self.model = MODELS.build(config.model)
        checkpoint = restore(self.model, checkpoint_file)
        self.classes = class_info(config, checkpoint)
        self.model.to(device).eval()
        steps = prediction_pipeline(config)
        steps[0] = dict(type='mmdet.LoadImageFromNDArray')
        self.pipeline = Compose(steps)

    @torch.no_grad()
    def __call__(self, image: np.ndarray, score_thr: float = 0.0) -> list[dict]:
        """Instances of one image, best first.

        Args:
            image (np.ndarray): BGR, (H, W, 3) uint8.
            score_thr (float): Lowest score, 0 to 1, that is kept.

        Returns:
            list[dict]: ``category_id`` (of ``classes``), ``category_name``, ``bbox`` (x, y, width,
            height in pixels), ``score``, ``area`` (pixels) and, from models with masks,
            ``segmentation`` (compressed RLE of the image's size).

        Raises:
            ImageError: The image is so narrow that scaling leaves nothing of it.
        """
        try:
            data = self.pipeline(dict(img=np.ascontiguousarray(image), img_id=0))
        except cv2.error as error:
            # of a side of 1 nothing is left when the other is scaled down
            raise ImageError(f'an image of {image.shape[1]}x{image.shape[0]} cannot be brought to '
                             'the size that the model takes') from error
        result = self.model.test_step(pseudo_collate([data]))[0].pred_instances.cpu().numpy()
        masks = result.get('masks')
        instances = []
        for i in np.argsort(-result.scores, kind='stable'):
            # The rounded score, so that the threshold means the same to a reader of the results.
            score = round(float(result.scores[i]), 5)
            if score < score_thr:
                break
            x1, y1, x2, y2 = (float(v) for v in result.bboxes[i])
            label = int(result.labels[i])
            instance = {
                'category_id': self.classes.category_ids[label],
                'category_name': self.classes.names[label],
                'bbox': [round(v, 2) for v in (x1, y1, x2 - x1, y2 - y1)],
                'score': score, 'area': round((x2 - x1) * (y2 - y1), 2)}
            if masks is not None:
                rle = mask_utils.encode(np.asfortranarray(masks[i], dtype=np.uint8))
                instance['segmentation'] = {'size': [int(v) for v in rle['size']],
                                            'counts': rle['counts'].decode('ascii')}
                instance['area'] = int(mask_utils.area(rle))
            instances.append(instance)
        return instances
