"""Confidence intervals of AP and NSD by resampling images, or patients where they are known.

Images of one patient are not independent, so a test set of 60 images of 6 patients says less than
60 images of 60 patients. Where the annotation file tells the patient (a ``patient`` entry of each
image, or file names that ``tools/data/split.py`` understands) whole patients are drawn.

Every image is matched once; a resample only weights its detections and ground truths. AP of
weighted detections equals AP of a set in which the image occurs that many times: within a run of
equal detections precision is highest at the end of hits and at the start of misses, which COCO's
envelope takes anyway. NSD keeps the best-F1 confidence of the whole set.

The same seed draws the same patients for every model, so models compared on one test set share
their luck: the interval of the difference of two models' :func:`draws` is narrower than those of
the models themselves suggest.
"""
from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO

from medseg.data.patients import patient_groups
from medseg.io import read_json
from medseg.metrics.boundary import BoundaryCOCOeval
from medseg.metrics.fast_cocoeval import FastCOCOeval, results_to_coco
from medseg.metrics.instance_scores import complete_annotations
from medseg.metrics.precision_recall import best_f1_point, detections_from_records
from medseg.metrics.surface_distance import ClassContours, class_contours

RESAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class ClassMatches:
    """One class's detections over all images, by falling score, matched to the ground truth.

    Attributes:
        images (np.ndarray): Index of each detection's image, (n,).
        scores (np.ndarray): Confidences, (n,).
        hits (np.ndarray): True positives at each IoU threshold, bool, (thresholds, n).
        counted (np.ndarray): Neither matched to a crowd nor otherwise ignored, (thresholds, n).
        targets (np.ndarray): Ground truths in each image, (images,).
    """

    images: np.ndarray
    scores: np.ndarray
    hits: np.ndarray
    counted: np.ndarray
    targets: np.ndarray


@dataclass(frozen=True)
class Matches:
    """All classes of one prediction set, and what a resample draws.

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


def match(coco: COCO, records: list[dict], kind: str, max_dets: int = 100,
          nsd_tolerance: float | None = None) -> Matches:
    """Match predictions once; everything else is computed from this.

    Args:
        coco (COCO): Ground truth.
        records (list[dict]): COCO result records.
        kind (str): ``bbox``, ``segm``, or ``boundary`` for masks by boundary AP's IoU.
        max_dets (int): Detections an image and class that count.
        nsd_tolerance (float, optional): Of ``segm``: tolerance in pixels of NSD; None: without.
    """
    boxes_or_masks = 'bbox' if kind == 'bbox' else 'segm'
    evaluator = (BoundaryCOCOeval if kind == 'boundary' else FastCOCOeval)(
        coco, results_to_coco(coco, records, boxes_or_masks), boxes_or_masks)
    evaluator.params.maxDets = [max_dets]
    evaluator.params.areaRng = evaluator.params.areaRng[:1]
    evaluator.params.areaRngLbl = evaluator.params.areaRngLbl[:1]
    evaluator.evaluate()
    ids = list(evaluator.params.imgIds)
    place = {image: index for index, image in enumerate(ids)}
    thresholds = len(evaluator.params.iouThrs)
    classes = []
    for k in range(len(evaluator.params.catIds)):
        found = evaluator.class_records(k)
        images = [np.full(len(r['dtScores'][:max_dets]), place[r['image_id']]) for r in found]
        scores = np.concatenate([np.zeros(0), *(r['dtScores'][:max_dets] for r in found)])
        order = np.argsort(-scores, kind='mergesort')
        empty = np.zeros((thresholds, 0), bool)
        hits = np.concatenate([empty, *(r['dtMatches'][:, :max_dets] > 0 for r in found)], axis=1)
        ignored = np.concatenate([empty, *(r['dtIgnore'][:, :max_dets] for r in found)], axis=1)
        targets = np.zeros(len(ids), np.int64)
        for r in found:
            targets[place[r['image_id']]] = np.count_nonzero(~r['gtIgnore'])
        classes.append(ClassMatches(
            np.concatenate([np.zeros(0, np.int64), *images])[order], scores[order],
            hits[:, order], ~ignored[:, order], targets))
    groups, unit = patient_groups([coco.imgs[i] for i in ids])
    names = tuple(coco.cats[c]['name'] for c in evaluator.params.catIds)
    contours = () if nsd_tolerance is None else _contours(evaluator, max_dets, nsd_tolerance)
    return Matches(tuple(classes), names, groups, unit, contours)


def _contours(evaluator: FastCOCOeval, max_dets: int, tolerance: float
              ) -> tuple[ClassContours, ...]:
    """Contour quality of every class at the best-F1 confidence."""
    classes = range(len(evaluator.params.catIds))
    point = best_f1_point([detections_from_records(evaluator.class_records(k), max_dets)
                           for k in classes])
    return tuple(class_contours(evaluator, k, point.confidence, max_dets, tolerance)
                 for k in classes)


def read_truth(ann_file: str | Path, need_masks: bool) -> COCO:
    """Ground truth for :func:`match`.

    Raises:
        ValueError: An annotation lacks what is needed.
    """
    coco = COCO()
    coco.dataset = read_json(Path(ann_file))
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    complete_annotations(coco, str(ann_file), need_masks)
    return coco


def load_matches(ann_file: str | Path, predictions: str | Path, kind: str,
                 max_dets: int = 100) -> Matches:
    """:func:`match` of an annotation file and a prediction file of ``PELDMetric``."""
    return match(read_truth(ann_file, kind == 'segm'), read_json(Path(predictions)), kind, max_dets)


def average_precision(matches: ClassMatches, weights: np.ndarray) -> np.ndarray:
    """COCO's AP of one class at each IoU threshold, images counted ``weights`` times.

    Args:
        matches (ClassMatches): The class.
        weights (np.ndarray): How often each image counts, (images,).

    Returns:
        np.ndarray: (thresholds,), in [0, 1]; -1 without ground truth.
    """
    total = int(matches.targets @ weights)
    if not total:
        return np.full(len(matches.hits), -1.0)
    weight = weights[matches.images]
    hits = np.cumsum(matches.hits * matches.counted * weight, axis=1)
    misses = np.cumsum(~matches.hits * matches.counted * weight, axis=1)
    precision = hits / (hits + misses + np.spacing(1))
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    envelope = np.concatenate([envelope, np.zeros((len(envelope), 1))], axis=1)
    levels = np.linspace(0, 1, 101)
    return np.array([row[np.searchsorted(recall, levels, side='left')].mean()
                     for row, recall in zip(envelope, hits / total, strict=True)])


def summary(matches: Matches, weights: np.ndarray) -> dict[str, float]:
    """``mAP``, ``mAP_50`` and, with contours, ``nsd`` and ``nsd_all``.

    Means over the classes that the weighted images show; -1 if they show none.
    """
    values = np.array([average_precision(c, weights) for c in matches.classes])
    values = values[values[:, 0] >= 0]
    found = {'mAP': float(values.mean()) if len(values) else -1.0,
             'mAP_50': float(values[:, 0].mean()) if len(values) else -1.0}
    if matches.contours:
        quality = np.array([c.nsd(weights) for c in matches.contours])
        quality = quality[quality[:, 0] >= 0]
        found.update(zip(('nsd', 'nsd_all'), quality.mean(axis=0).tolist() if len(quality)
                         else (-1.0, -1.0), strict=True))
    return found


def draws(matches: Matches, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, np.ndarray]:
    """Each figure of :func:`summary` in every resample.

    Patients (or images) are drawn with replacement, as many as there are.

    Args:
        matches (Matches): What :func:`match` gave.
        resamples (int): Number of draws.
        seed (int): Of the draws; the same one draws the same patients for every model.

    Returns:
        dict[str, np.ndarray]: (resamples,) each; NaN where a figure is undefined.
    """
    rng = np.random.default_rng(seed)
    count = int(matches.groups.max()) + 1 if len(matches.groups) else 0
    found = []
    for _ in range(resamples if count else 0):
        drawn = np.bincount(rng.integers(0, count, count), minlength=count)
        found.append(summary(matches, drawn[matches.groups]))
    names = found[0] if found else ()
    values = {name: np.array([draw[name] for draw in found]) for name in names}
    return {name: np.where(value < 0, np.nan, value) for name, value in values.items()}


def interval(values: np.ndarray, level: float = LEVEL) -> tuple[float, float] | None:
    """Lower and upper end of a percentile interval; None without a defined value."""
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    low, high = np.percentile(values, ((1 - level) / 2 * 100, (1 + level) / 2 * 100))
    return float(low), float(high)


def bootstrap(matches: Matches, resamples: int = RESAMPLES, level: float = LEVEL,
              seed: int = 0) -> dict[str, tuple[float, float]]:
    """Percentile intervals of the figures of :func:`summary`.

    Args:
        matches (Matches): What :func:`match` gave.
        resamples (int): Number of draws.
        level (float): Coverage, such as 0.95.
        seed (int): Of the draws.

    Returns:
        dict[str, tuple[float, float]]: Lower and upper end, in [0, 1].
    """
    found = {name: interval(values, level)
             for name, values in draws(matches, resamples, seed).items()}
    return {name: ends for name, ends in found.items() if ends is not None}


def curve(matches: ClassMatches, threshold: int = 0, points: int = 51) -> list[float] | None:
    """Precision at ``points`` recalls evenly spaced over [0, 1], as COCO's AP averages it.

    Args:
        matches (ClassMatches): The class.
        threshold (int): Index of the IoU threshold; 0 is 0.5.
        points (int): Number of recalls.

    Returns:
        list[float] | None: In [0, 1]; None without ground truth.
    """
    total = int(matches.targets.sum())
    if not total:
        return None
    counted = matches.counted[threshold]
    hits = np.cumsum(matches.hits[threshold] & counted)
    precision = hits / np.maximum(np.cumsum(counted), 1)
    envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    levels = np.linspace(0, 1, points)
    values = envelope[np.searchsorted(hits / total, levels, side='left')]
    return [round(float(v), 4) for v in values]
