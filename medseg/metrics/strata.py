"""Figures of a part of the objects: small ones, those at the border, and so on.

As COCO does for sizes: truths outside the part are ignored, and so are detections that match one
of them, and false detections that lie outside the part themselves. Matching is done again for each
part, so the parts ``small``, ``medium`` and ``large`` give COCO's own ``mAP_s``, ``mAP_m`` and
``mAP_l``.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO
from pycocotools.cocoeval import Params

from .fast_cocoeval import FastCOCOeval, results_to_coco
from .matching import ClassMatches

#: Whether an annotation or a detection belongs to a part.
Test = Callable[[dict], bool]
WHOLE = 'all'
#: How far from the image's edge an object still touches it, pixels: masks of low resolution end
#: a pixel early.
MARGIN = 1.0


def size_tests() -> dict[str, Test]:
    """COCO's sizes: areas up to 32² and 96² square pixels, and above, limits in both."""
    params = Params('segm')
    ranges = dict(zip(params.areaRngLbl, params.areaRng, strict=True))
    return {name: (lambda ann, low=low, high=high: low <= ann['area'] <= high)
            for name, (low, high) in ranges.items() if name != 'all'}


def border_tests(coco: COCO) -> dict[str, Test]:
    """``border``: the mask, or else the box, comes within a pixel of the image's edge; ``inside``.

    Args:
        coco (COCO): Knows the images' sizes.
    """

    def touches(ann: dict) -> bool:
        image = coco.imgs[ann['image_id']]
        rle = ann.get('segmentation')
        x, y, width, height = mask_utils.toBbox(rle) if isinstance(rle, dict) else ann['bbox']
        return bool(min(x, y) <= MARGIN or x + width >= image['width'] - MARGIN
                    or y + height >= image['height'] - MARGIN)

    return {'border': touches, 'inside': lambda ann: not touches(ann)}


@dataclass(frozen=True)
class Truths:
    """Every truth with the detection that finds it at IoU 0.5; crowds left out.

    Attributes:
        images, labels (np.ndarray): Index of its image and class, (t,).
        scores (np.ndarray): Of the detection that finds it; -1: none, (t,).
        overlaps (np.ndarray): IoU with that detection, 0 without, (t,).
        parts (dict): By part, which truths belong to it, bool, (t,).
    """

    images: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    overlaps: np.ndarray
    parts: dict[str, np.ndarray]

    def found(self, lowest: float) -> np.ndarray:
        """Which are found by a detection with at least this score, bool, (t,)."""
        return (self.scores >= lowest) & (self.scores >= 0)

    def dice(self, lowest: float) -> np.ndarray:
        """Dice of each truth and what finds it, 2 IoU / (1 + IoU); 0 where it is missed, (t,)."""
        return np.where(self.found(lowest), 2 * self.overlaps / (1 + self.overlaps), 0.0)


@dataclass(frozen=True)
class Strata:
    """Matches of a set and of its parts.

    Attributes:
        matches (dict): By part, and :data:`WHOLE`, the matches of each class at IoU 0.50:0.95.
        truths (Truths): Every truth.
    """

    matches: dict[str, tuple[ClassMatches, ...]]
    truths: Truths


class _PartsCOCOeval(FastCOCOeval):
    """Area ranges are parts: the tests decide who lies outside."""

    def __init__(self, coco_gt: COCO, coco_dt: COCO, kind: str, tests: Mapping[str, Test]) -> None:
        super().__init__(coco_gt, coco_dt, kind)
        self.tests = tests
        self.params.areaRng = [[part, part] for part in range(len(tests))]
        self.params.areaRngLbl = list(tests)

    def _outside(self, anns: list[dict], low: np.ndarray, high: np.ndarray) -> np.ndarray:
        return np.array([[not test(ann) for ann in anns] for test in self.tests.values()],
                        dtype=bool).reshape(len(self.tests), len(anns))


def stratify(coco: COCO, records: list[dict], kind: str, tests: Mapping[str, Test],
             max_dets: int = 100) -> Strata:
    """Match predictions as a whole and in parts.

    Args:
        coco (COCO): Ground truth; see :func:`.instance_matches.read_truth`.
        records (list[dict]): COCO result records.
        kind (str): ``bbox`` or ``segm``.
        tests (Mapping[str, Callable]): By part, who belongs to it.
        max_dets (int): Detections per image and class that count.
    """
    evaluator = _PartsCOCOeval(coco, results_to_coco(coco, records, kind), kind,
                               {WHOLE: lambda ann: True, **tests})
    evaluator.params.maxDets = [max_dets]
    evaluator.evaluate()
    labels = range(len(evaluator.params.catIds))
    matches = {part: tuple(evaluator.matches(label, place) for label in labels)
               for place, part in enumerate(evaluator.params.areaRngLbl)}
    return Strata(matches, _truths(evaluator, tests))


def _truths(evaluator: FastCOCOeval, tests: Mapping[str, Test]) -> Truths:
    p = evaluator.params
    place = {image: index for index, image in enumerate(p.imgIds)}
    rows: list[tuple] = []
    for label, category in enumerate(p.catIds):
        for record in evaluator.class_records(label):
            image = record['image_id']
            ious = np.asarray(evaluator.ious[image, category]).reshape(
                len(record['dtIds']), len(record['gtIds']))
            for g in np.flatnonzero(~record['gtIgnore']):
                d = record['gtMatches'][0, g] - 1  # the first threshold is 0.5
                truth = evaluator.cocoGt.anns[record['gtIds'][g]]
                rows.append((place[image], label, record['dtScores'][d] if d >= 0 else -1.0,
                             ious[d, g] if d >= 0 else 0.0,
                             *(test(truth) for test in tests.values())))
    columns = list(zip(*rows, strict=True)) or [()] * (4 + len(tests))
    images, labels, scores, overlaps, *parts = columns
    return Truths(np.array(images, np.int64), np.array(labels, np.int64), np.array(scores, float),
                  np.array(overlaps, float), {name: np.array(part, bool) for name, part in zip(
                      tests, parts, strict=True)})
