"""Class areas of COCO files: truth and predictions as unions of instances, and their figures."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO

from medseg.data.convert.records import RecordError
from medseg.data.outlines import encoded
from medseg.errors import UserError

from .bootstrap import image_weights
from .semantic_scores import FIGURES, area_figures, group_means, mean_over_classes, weighted_means

#: Scores that :func:`best_threshold` tries.
THRESHOLDS = tuple(round(0.05 * i, 2) for i in range(20))


@dataclass(frozen=True)
class SemanticTable:
    """Figures of every class in every image.

    Attributes:
        classes (tuple[str, ...]): Names, in the order of the labels.
        values (dict[str, np.ndarray]): By name of :data:`.semantic_scores.FIGURES`,
            (images, classes), NaN where both areas are empty.
    """

    classes: tuple[str, ...]
    values: dict[str, np.ndarray]

    def per_class(self, figure: str, groups: np.ndarray | None = None) -> np.ndarray:
        """Means of each class over images, or over the patients' own means: (classes,)."""
        values = self.values[figure]
        if groups is not None:
            values = group_means(values, groups)
        return weighted_means(values, np.ones(len(values)))

    def mean(self, figure: str, groups: np.ndarray | None = None) -> float:
        """Mean over the classes that are defined; NaN if none is."""
        return float(mean_over_classes(self.per_class(figure, groups)))

    def draws(self, figure: str, groups: np.ndarray, resamples: int, seed: int = 0
              ) -> np.ndarray:
        """The mean over classes in each bootstrap draw of patients: (resamples,).

        The same seed draws the same patients for every model; see
        :mod:`medseg.metrics.bootstrap`.
        """
        weights = image_weights(groups, resamples, seed).astype(float)
        if not len(weights):
            return np.zeros(0)
        return mean_over_classes(weighted_means(self.values[figure], weights))


class Areas:
    """Run-length encoded instances by image and class.

    Args:
        records: COCO annotations or results with ``image_id``, ``category_id`` and
            ``segmentation``.
        coco (COCO): Knows the images' sizes.
        source (str): What to call the records in errors.
    """

    def __init__(self, records: Sequence[dict], coco: COCO, source: str) -> None:
        self._coco, self._source = coco, source
        self._found: dict[tuple, list[dict]] = defaultdict(list)
        for record in records:
            self._found[record['image_id'], record['category_id']].append(record)

    def area(self, image_id, category_id, score_thr: float = 0.0) -> np.ndarray:
        """Union of the instances whose score, if they have one, is at least ``score_thr``.

        Returns:
            np.ndarray: bool, (H, W) of the image.

        Raises:
            UserError: A mask is of another size than the image.
        """
        image = self._coco.imgs[image_id]
        size = (image['height'], image['width'])
        rles = [self._encoded(record, image, size)
                for record in self._found.get((image_id, category_id), ())
                if record.get('score', 1.0) >= score_thr]
        if not rles:
            return np.zeros(size, bool)
        return mask_utils.decode(mask_utils.merge(rles)).astype(bool)

    def _encoded(self, record: dict, image: dict, size: tuple[int, int]) -> dict:
        mask = record.get('segmentation')
        if not mask:
            raise UserError(f'{self._source}: a record of image {image["file_name"]!r} has no '
                            'segmentation; areas need masks')
        try:
            return encoded(mask, *size)
        except RecordError as error:
            raise UserError(f'{self._source}: a mask of image {image["file_name"]!r}: '
                            f'{error.kind}: {error}') from error


def score_areas(coco: COCO, records: Sequence[dict], *, cat_ids: Sequence[int],
                img_ids: Sequence[int], source: str = 'the predictions', score_thr: float = 0.0,
                tolerance: float = 3) -> SemanticTable:
    """Compare predicted with true areas.

    Args:
        coco (COCO): Ground truth; a class's area is the union of its annotations, crowds included.
        records (Sequence[dict]): COCO results with masks.
        cat_ids (Sequence[int]): Category ids in the order of the classes.
        img_ids (Sequence[int]): Images to score; one without predictions counts as empty.
        source (str): What to call the records in errors.
        score_thr (float): Instances count from this score on.
        tolerance (float): Of NSD, in pixels.

    Raises:
        UserError: A mask is missing or of another size than its image.
    """
    true = Areas(list(coco.anns.values()), coco, 'the ground truth')
    predicted = Areas(records, coco, source)
    values = np.array([[area_figures(predicted.area(i, c, score_thr), true.area(i, c), tolerance)
                        for c in cat_ids] for i in img_ids], dtype=float)
    values = values.reshape(len(img_ids), len(cat_ids), len(FIGURES))
    return SemanticTable(tuple(coco.cats[c]['name'] for c in cat_ids),
                         {name: values[..., i] for i, name in enumerate(FIGURES)})


def best_threshold(coco: COCO, records: Sequence[dict], *, cat_ids: Sequence[int],
                   img_ids: Sequence[int], source: str = 'the predictions') -> tuple[float, float]:
    """The score threshold with the highest mean Dice, and that Dice.

    One threshold for all classes, of :data:`THRESHOLDS`; the lowest of equal ones. To be chosen on
    validation images and used on others.
    """
    true = Areas(list(coco.anns.values()), coco, 'the ground truth')
    predicted = Areas(records, coco, source)
    dice = np.full((len(THRESHOLDS), len(img_ids), len(cat_ids)), np.nan)
    for i, image in enumerate(img_ids):
        for c, category in enumerate(cat_ids):
            truth = true.area(image, category)
            for t, threshold in enumerate(THRESHOLDS):
                area = predicted.area(image, category, threshold)
                total = np.count_nonzero(area) + np.count_nonzero(truth)
                if total:
                    dice[t, i, c] = 2 * np.count_nonzero(area & truth) / total
    means = np.array([mean_over_classes(weighted_means(d, np.ones(len(d)))) for d in dice])
    if np.isnan(means).all():
        return THRESHOLDS[0], float('nan')
    best = int(np.nanargmax(means))
    return THRESHOLDS[best], float(means[best])
