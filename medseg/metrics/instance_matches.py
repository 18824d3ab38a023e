"""Predictions of one model matched to one test set: every class, and what a resample draws."""
from __future__ import annotations

import contextlib
import io
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO

from medseg.data.coco_rules import left_out_line, usable_content
from medseg.data.patients import patient_groups
from medseg.io import read_json

from .boundary import BoundaryCOCOeval
from .fast_cocoeval import FastCOCOeval, results_to_coco
from .matching import ClassMatches
from .precision_recall import best_f1_point
from .surface import ClassContours, class_contours


@dataclass(frozen=True)
class Matches:
    """All classes of one prediction set.

    Attributes:
        classes (tuple[ClassMatches, ...]): In the order of the labels.
        names (tuple[str, ...]): Their names.
        groups (np.ndarray): Index of each image's patient, or the image's own, (images,).
        unit (str): ``patient`` or ``image``.
        contours (tuple[ClassContours, ...]): Contour quality by class, where it was asked for.
    """

    classes: tuple[ClassMatches, ...]
    names: tuple[str, ...]
    groups: np.ndarray
    unit: str
    contours: tuple[ClassContours, ...] = ()

    def figures(self, weights: np.ndarray | None = None) -> dict[str, float]:
        """``mAP``, ``mAP_50`` and, with contours, ``nsd`` and ``nsd_all``, fractions.

        Means over the classes that the weighted images show; NaN if they show none. NSD keeps the
        best-F1 confidence of the whole set.

        Args:
            weights (np.ndarray, optional): How often each image counts, (images,); None: once.
        """
        precision = np.array([c.average_precision(weights) for c in self.classes])
        precision = precision[precision[:, 0] >= 0]
        found = {'mAP': precision.mean() if len(precision) else np.nan,
                 'mAP_50': precision[:, 0].mean() if len(precision) else np.nan}
        if self.contours:
            quality = np.array([c.nsd(weights) for c in self.contours])
            quality = quality[quality[:, 0] >= 0]
            found['nsd'], found['nsd_all'] = quality.mean(axis=0) if len(quality) \
                else (np.nan, np.nan)
        return {name: float(value) for name, value in found.items()}


def match(coco: COCO, records: list[dict], kind: str, max_dets: int = 100,
          nsd_tolerance: float | None = None) -> Matches:
    """Match predictions once; everything else is computed from this.

    Args:
        coco (COCO): Ground truth; see :func:`read_truth`.
        records (list[dict]): COCO result records.
        kind (str): ``bbox``, ``segm``, or ``boundary`` for masks by boundary AP's IoU.
        max_dets (int): Detections per image and class that count.
        nsd_tolerance (float, optional): Of ``segm``: tolerance in pixels of NSD; None: without.
    """
    boxes_or_masks = 'bbox' if kind == 'bbox' else 'segm'
    evaluator = (BoundaryCOCOeval if kind == 'boundary' else FastCOCOeval)(
        coco, results_to_coco(coco, records, boxes_or_masks), boxes_or_masks)
    evaluator.params.maxDets = [max_dets]
    evaluator.params.areaRng = evaluator.params.areaRng[:1]
    evaluator.params.areaRngLbl = evaluator.params.areaRngLbl[:1]
    evaluator.evaluate()
    indices = range(len(evaluator.params.catIds))
    classes = tuple(evaluator.matches(k) for k in indices)
    contours = ()
    if nsd_tolerance is not None:
        point = best_f1_point([c.detections() for c in classes])
        contours = tuple(class_contours(evaluator, k, point.confidence, max_dets, nsd_tolerance)
                         for k in indices)
    groups, unit = patient_groups([coco.imgs[i] for i in evaluator.params.imgIds])
    names = tuple(coco.cats[c]['name'] for c in evaluator.params.catIds)
    return Matches(classes, names, groups, unit, contours)


def complete_annotations(coco: COCO, source: str, need_masks: bool) -> None:
    """Fill in ``iscrowd`` and ``area`` where a COCO file leaves them out, in place.

    Args:
        coco (COCO): Ground truth.
        source (str): What to call it in errors, such as the file's path.
        need_masks (bool): Whether masks will be evaluated.

    Raises:
        ValueError: An annotation lacks what is needed.
    """
    for ann in coco.anns.values():
        ann.setdefault('iscrowd', 0)
        if need_masks and not ann.get('segmentation'):
            raise ValueError(
                f'{source}: annotation {ann["id"]} has no segmentation; masks cannot be '
                "evaluated, use metric='bbox' or complete the file")
        if 'bbox' not in ann:
            raise ValueError(f'{source}: annotation {ann["id"]} has no bbox; complete the file')
        ann.setdefault('area', float(ann['bbox'][2] * ann['bbox'][3]))


def read_truth(ann_file: str | Path, need_masks: bool) -> COCO:
    """Ground truth for :func:`match`.

    Raises:
        UserError: The file cannot be read or used.
        ValueError: An annotation lacks what is needed.
    """
    coco = COCO()
    coco.dataset, left_out = usable_content(read_json(ann_file), str(ann_file), training=False)
    if left_out:
        logging.getLogger(__name__).warning(left_out_line(str(ann_file), left_out))
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    complete_annotations(coco, str(ann_file), need_masks)
    return coco


def load_matches(ann_file: str | Path, predictions: str | Path, kind: str,
                 max_dets: int = 100) -> Matches:
    """:func:`match` of an annotation file and a prediction file of the metric."""
    return match(read_truth(ann_file, kind == 'segm'), read_json(predictions), kind, max_dets)
