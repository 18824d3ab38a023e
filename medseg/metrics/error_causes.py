"""What the average precision that is missing consists of: six causes, and what mending each gains.

The causes and their oracles are those of TIDE (Bolya et al., "TIDE: A General Toolbox for
Identifying Object Detection Errors", ECCV 2020, Section 2). Detections are matched to truths of
their class by COCO's rule at IoU 0.5. Each detection that is false then gets one cause, the first
that holds, from its IoU with all truths of the image:

=============== ================================================= ===============================
cause           when                                              what mending does
=============== ================================================= ===============================
localisation    the best truth of its class: 0.1 <= IoU < 0.5     the detection finds this truth
classification  the best truth of another class: IoU >= 0.5       it finds this truth as its class
duplicate       a truth of its class with IoU >= 0.5 is taken     the detection goes away
background      IoU <= 0.1 with every truth                       the detection goes away
both            what is left: another class, 0.1 < IoU < 0.5      the detection goes away
missed          a truth that is not found, and that no detection  the truth is no longer looked for
                of the first two causes would find
=============== ================================================= ===============================

Of several detections that would find one truth the best scored does, the others go away; so do
those whose truth is found already. The gain of a cause is AP at IoU 0.5 after mending it alone,
less AP before. Gains do not add up to what is missing, as precision depends on all errors together;
mending all gives an AP of 1. A detection that lies on a crowd has no cause, as it does not count.

``tidecv``, the authors' package, was last released in 2020. It keeps the best 100 detections per
image over all classes, and leaves a class out of the mean once all its truths are missed and
mended; here the best ``max_dets`` per image and class count, as everywhere in this project, and
such a class has AP 1 if no detection of it is left. Where neither matters both give the same
figures.
"""
from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO

from medseg.data.patients import patient_groups

from .fast_cocoeval import FastCOCOeval, results_to_coco
from .matching import ClassMatches

CAUSES = ('classification', 'localisation', 'both', 'duplicate', 'background', 'missed')
#: TIDE's two other oracles: no false detection at all, nothing missed at all.
EXTREMES = ('false positives', 'false negatives')
FOREGROUND, BACKGROUND = 0.5, 0.1
_CLASS, _PLACE, _BOTH, _DUPLICATE, _NOTHING, _MISSED = range(6)
_RIGHT = -1


@dataclass(frozen=True)
class ErrorCauses:
    """Detections and truths of a set with their causes; those on crowds and crowds left out.

    Attributes:
        names (tuple[str, ...]): Classes, in the order of the labels.
        groups (np.ndarray): Index of each image's patient, or the image's own, (images,).
        unit (str): ``patient`` or ``image``.
        images, labels (np.ndarray): Index of each detection's image and class, (n,), image by
            image, by falling score within a class.
        scores (np.ndarray): Confidences, (n,).
        causes (np.ndarray): Index into :data:`CAUSES`; -1: the detection is right, (n,).
        partners (np.ndarray): The truth that it finds, or would find once its cause is mended,
            (n,); -1: none.
        truth_images, truth_labels (np.ndarray): Of each truth, (t,).
        found, missed (np.ndarray): bool, (t,); neither: some detection would find it.
    """

    names: tuple[str, ...]
    groups: np.ndarray
    unit: str
    images: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    causes: np.ndarray
    partners: np.ndarray
    truth_images: np.ndarray
    truth_labels: np.ndarray
    found: np.ndarray
    missed: np.ndarray

    def counts(self, lowest: float = 0.0) -> np.ndarray:
        """Detections of each class and cause with at least a score, and missed truths.

        Returns:
            np.ndarray: (classes, causes). Detections by their own class. A truth is missed here
            only if no detection of any score finds it or would.
        """
        table = np.zeros((len(self.names), len(CAUSES)), np.int64)
        false = (self.causes >= 0) & (self.scores >= lowest)
        np.add.at(table, (self.labels[false], self.causes[false]), 1)
        np.add.at(table, (self.truth_labels[self.missed], _MISSED), 1)
        return table

    def mended(self, causes: Collection[str]) -> tuple[ClassMatches, ...]:
        """The detections of each class after some causes are mended, at IoU 0.5.

        Args:
            causes (Collection[str]): Of :data:`CAUSES` and :data:`EXTREMES`.

        Raises:
            ValueError: There is no such cause.
        """
        unknown = set(causes) - {*CAUSES, *EXTREMES}
        if unknown:
            raise ValueError(f'no cause {sorted(unknown)}; there are {[*CAUSES, *EXTREMES]}')
        chosen = [index for index, name in enumerate(CAUSES) if name in causes]
        right = self.causes == _RIGHT
        mended = np.isin(self.causes, chosen)
        saved = mended & (self.partners >= 0)
        kept = saved | ~mended
        if 'false positives' in causes:
            kept &= right | saved
        labels = np.where(saved, self.truth_labels[self.partners] if len(self.found) else 0,
                          self.labels)
        hits = right | saved
        sought = np.ones(len(self.found), bool)
        if 'missed' in causes:
            sought &= ~self.missed
        if 'false negatives' in causes:
            sought &= self.found
        classes = []
        for label in range(len(self.names)):
            own = np.flatnonzero(kept & (labels == label))
            own = own[np.argsort(-self.scores[own], kind='mergesort')]
            targets = np.bincount(self.truth_images[sought & (self.truth_labels == label)],
                                  minlength=len(self.groups))
            classes.append(ClassMatches(self.images[own], self.scores[own], hits[None, own],
                                        np.ones((1, len(own)), bool), targets))
        return tuple(classes)

    def average_precision(self, causes: Collection[str] = (), weights: np.ndarray | None = None
                          ) -> np.ndarray:
        """AP at IoU 0.5 of each class after some causes are mended, (classes,).

        Args:
            causes (Collection[str]): None of them: as it is.
            weights (np.ndarray, optional): How often each image counts, (images,); None: once.

        Returns:
            np.ndarray: Fractions; NaN for a class without truth in the images that count.
        """
        return self._average_precision(self.mended(causes), weights)

    def figures(self, weights: np.ndarray | None = None) -> dict[str, float]:
        """``mAP_50`` and the gain of each cause and extreme: means over classes, fractions.

        For :func:`.bootstrap.bootstrap`; see :meth:`average_precision`.
        """
        before = self._average_precision(self._alone[None], weights)
        known = ~np.isnan(before)

        def mean(values: np.ndarray) -> float:
            return float(values[known].mean()) if known.any() else float('nan')

        return {'mAP_50': mean(before), **{
            cause: mean(self._average_precision(self._alone[cause], weights)) - mean(before)
            for cause in (*CAUSES, *EXTREMES)}}

    @cached_property
    def _alone(self) -> dict[str | None, tuple[ClassMatches, ...]]:
        """Each cause mended alone; None: nothing mended."""
        return {None: self.mended(()),
                **{cause: self.mended((cause,)) for cause in (*CAUSES, *EXTREMES)}}

    def _average_precision(self, classes: tuple[ClassMatches, ...], weights: np.ndarray | None
                           ) -> np.ndarray:
        weights = np.ones(len(self.groups), np.int64) if weights is None else weights
        there = np.bincount(self.truth_labels, weights[self.truth_images], len(self.names))
        values = np.full(len(classes), np.nan)
        for label in np.flatnonzero(there):
            left = classes[label]
            if left.targets @ weights:
                values[label] = left.average_precision(weights)[0]
            else:  # all that was missed is mended: perfect if nothing false is left
                values[label] = float(not weights[left.images].any())
        return values


def error_causes(coco: COCO, records: list[dict], kind: str, max_dets: int = 100) -> ErrorCauses:
    """Find the cause of every error.

    Args:
        coco (COCO): Ground truth; see :func:`.instance_matches.read_truth`.
        records (list[dict]): COCO result records.
        kind (str): ``bbox`` or ``segm``.
        max_dets (int): Detections per image and class that count.
    """
    evaluator = FastCOCOeval(coco, results_to_coco(coco, records, kind), kind)
    p = evaluator.params
    p.iouThrs, p.maxDets = np.array([FOREGROUND]), [max_dets]
    p.areaRng, p.areaRngLbl = p.areaRng[:1], p.areaRngLbl[:1]
    evaluator.evaluate()
    by_image: dict = {image: [] for image in p.imgIds}
    for label in range(len(p.catIds)):
        for record in evaluator.class_records(label):
            by_image[record['image_id']].append((label, record))
    shape = 'segmentation' if kind == 'segm' else 'bbox'
    rows: list[tuple[np.ndarray, ...]] = []
    truths: list[tuple[np.ndarray, ...]] = []
    offset = 0
    for place, found in enumerate(by_image.values()):
        detections, sought = _image(evaluator, found, shape)
        rows.append((np.full(len(detections[0]), place), *detections[:3],
                     np.where(detections[3] >= 0, detections[3] + offset, -1)))
        truths.append((np.full(len(sought[0]), place), *sought))
        offset += len(sought[0])
    groups, unit = patient_groups([coco.imgs[i] for i in p.imgIds])
    none: tuple = ((np.zeros(0, np.int64),) * 2, (np.zeros(0, bool),) * 2)
    columns = [np.concatenate(column) for column in zip(*rows, strict=True)] \
        or [none[0][0], none[0][0], np.zeros(0), none[0][0], none[0][0]]
    truth = [np.concatenate(column) for column in zip(*truths, strict=True)] \
        or [*none[0], *none[1]]
    return ErrorCauses(tuple(coco.cats[c]['name'] for c in p.catIds), groups, unit,
                       *columns, *truth)


def _image(evaluator: FastCOCOeval, found: list[tuple[int, dict]], shape: str
           ) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """One image: labels, scores, causes and partners of detections; label, found, missed of truths.

    Partners are places among the image's truths.
    """
    labels, scores, matched, dets, truth_labels, sought = [], [], [], [], [], []
    for label, record in found:
        counted = np.flatnonzero(~record['dtIgnore'][0])
        real = np.flatnonzero(~record['gtIgnore'])
        # Place in the image's list of truths, by place in the record's, from 1; 0: none.
        place = np.full(len(record['gtIds']) + 1, -1)
        place[real + 1] = len(sought) + np.arange(len(real))
        labels += [label] * len(counted)
        scores += [record['dtScores'][d] for d in counted]
        matched += place[record['dtMatches'][0, counted]].tolist()
        dets += [evaluator.cocoDt.anns[record['dtIds'][d]][shape] for d in counted]
        truth_labels += [label] * len(real)
        sought += [evaluator.cocoGt.anns[record['gtIds'][g]][shape] for g in real]
    own, partners = np.array(labels, np.int64), np.array(matched, np.int64)
    theirs, score = np.array(truth_labels, np.int64), np.array(scores, float)
    causes = np.full(len(own), _NOTHING)
    taken = np.isin(np.arange(len(theirs)), partners)
    near = np.zeros(len(theirs), bool)
    right = partners >= 0
    if len(own) and len(theirs):
        iou = np.asarray(mask_utils.iou(dets, sought, [0] * len(sought)))
        same = own[:, None] == theirs
        best, other = iou * same, iou * ~same
        alike, elsewhere = best.max(axis=1), other.max(axis=1)
        causes = np.select(
            [(alike >= BACKGROUND) & (alike < FOREGROUND), elsewhere >= FOREGROUND,
             alike >= FOREGROUND, np.maximum(alike, elsewhere) <= BACKGROUND],
            [_PLACE, _CLASS, _DUPLICATE, _NOTHING], _BOTH)
        causes[right] = _RIGHT
        for cause, choice in ((_PLACE, best), (_CLASS, other)):
            partners = np.where(causes == cause, choice.argmax(axis=1), partners)
        near[partners[~right & (partners >= 0)]] = True
        near &= ~taken
        # One detection for one truth: the best scored, whichever of the two causes it has.
        for d in np.argsort(-score, kind='mergesort'):
            if not right[d] and partners[d] >= 0:
                if taken[partners[d]]:
                    partners[d] = -1
                else:
                    taken[partners[d]] = True
    found_truths = np.isin(np.arange(len(theirs)), partners[right])
    return (own, score, causes, partners), (theirs, found_truths, ~found_truths & ~near)
