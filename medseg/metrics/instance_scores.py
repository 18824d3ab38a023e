"""All figures of one prediction set against one ground truth, as plain numbers.

Needs numpy, OpenCV and pycocotools only, so it also runs where MMDetection is not installed.
"""
from dataclasses import dataclass, field

import numpy as np
from pycocotools.coco import COCO

from .boundary import BoundaryCOCOeval
from .fast_cocoeval import FastCOCOeval, results_to_coco
from .precision_recall import best_f1_point
from .surface import class_contours

#: COCO's "AR@100": the number of detections per image at which average recall is quoted.
AR_DETECTIONS = 100


@dataclass
class InstanceScores:
    """Figures of one IoU type; -1 stands for 'undefined: no ground truth'.

    Attributes:
        classes: Class names, in order.
        targets, predictions: Ground truths and detections of each class, (classes,).
        overall: Figure name → mean over the classes that have ground truth.
        per_class: Figure name → (classes,). Sizes (``mAP_s`` ...) are in ``overall`` only.
        confidence: The best-F1 confidence, in [0, 1].
    """
    classes: list[str]
    targets: np.ndarray
    predictions: np.ndarray
    overall: dict[str, float] = field(default_factory=dict)
    per_class: dict[str, np.ndarray] = field(default_factory=dict)
    confidence: float = 0.0

    def add(self, name: str, values: np.ndarray) -> None:
        """Add a per-class figure and its mean over the classes where it is defined."""
        self.per_class[name] = np.asarray(values, dtype=float)
        self.overall[name] = _mean_defined(self.per_class[name])


def score_instances(coco_gt: COCO, records: list[dict], iou_type: str, *, cat_ids: list[int],
                    img_ids: list[int], max_dets: int = 100, boundary: bool = False,
                    nsd_tolerance: float | None = 3) -> InstanceScores:
    """Compute every figure of one IoU type.

    Args:
        coco_gt: Ground truth; every annotation needs ``iscrowd``, ``area`` and what the IoU type
            compares (see ``instance_matches.complete_annotations``).
        records: COCO result records (see ``results_to_coco``).
        iou_type: 'bbox' or 'segm'.
        cat_ids: Category ids in the order of the classes.
        img_ids: Images to evaluate.
        max_dets: Detections an image and class that count, in every figure but AR@100, which is
            always at 100.
        boundary: Also compute boundary AP ('segm' only).
        nsd_tolerance: Tolerance in pixels of the normalised surface distance ('segm' only); None
            leaves it out.

    Raises:
        ValueError: ``max_dets`` is not positive, or a record does not fit the ground truth.
    """
    if max_dets < 1:
        raise ValueError(f'max_dets must be at least 1, got {max_dets}')
    coco_dt = results_to_coco(coco_gt, records, iou_type)
    evaluator = FastCOCOeval(coco_gt, coco_dt, iou_type)
    _configure(evaluator, cat_ids, img_ids, max_dets)
    per_class = [evaluator.matches(k, max_dets=max_dets).detections() for k in range(len(cat_ids))]
    scores = InstanceScores(
        classes=[coco_gt.cats[c]['name'] for c in cat_ids],
        targets=np.array([d.targets for d in per_class], dtype=int),
        predictions=np.array([d.scores.size for d in per_class], dtype=int))
    _add_average_precision(scores, evaluator, max_dets, '')
    _add_average_recall(scores, evaluator, max_dets)

    point = best_f1_point(per_class)
    scores.confidence = point.confidence
    for name in ('precision', 'recall', 'f1'):
        scores.add(name, getattr(point, name))
    scores.add('yolo_mAP_50', point.ap50)

    if iou_type == 'segm' and nsd_tolerance is not None:
        label = f'nsd_{nsd_tolerance:g}px'
        values = np.array([
            class_contours(evaluator, k, point.confidence, max_dets, nsd_tolerance).nsd()
            for k in range(len(cat_ids))
        ]).reshape(-1, 2)
        scores.add(label, values[:, 0])
        scores.add(f'{label}_all', values[:, 1])
    if iou_type == 'segm' and boundary:
        evaluator = BoundaryCOCOeval(coco_gt, coco_dt, iou_type)
        _configure(evaluator, cat_ids, img_ids, max_dets)
        _add_average_precision(scores, evaluator, max_dets, 'boundary_')
    return scores


def _configure(evaluator: FastCOCOeval, cat_ids: list[int], img_ids: list[int],
               max_dets: int) -> None:
    evaluator.params.catIds = list(cat_ids)
    evaluator.params.imgIds = list(img_ids)
    evaluator.params.maxDets = sorted({AR_DETECTIONS, max_dets})
    evaluator.evaluate()
    evaluator.accumulate()


def _add_average_precision(scores: InstanceScores, evaluator: FastCOCOeval, max_dets: int,
                           prefix: str) -> None:
    limit = evaluator.params.maxDets.index(max_dets)
    precision = evaluator.eval['precision'][..., limit]
    whole = precision[..., 0]
    # Thresholds are 0.50, 0.55, ..., 0.95.
    scores.add(f'{prefix}mAP', whole.mean(axis=(0, 1)))
    scores.add(f'{prefix}mAP_50', whole[0].mean(axis=0))
    scores.add(f'{prefix}mAP_75', whole[5].mean(axis=0))
    for i, size in enumerate('sml', start=1):
        scores.overall[f'{prefix}mAP_{size}'] = _mean_defined(precision[..., i].mean(axis=(0, 1)))


def _add_average_recall(scores: InstanceScores, evaluator: FastCOCOeval, max_dets: int) -> None:
    for limit in dict.fromkeys([AR_DETECTIONS, max_dets]):
        index = evaluator.params.maxDets.index(limit)
        scores.add(f'AR@{limit}', evaluator.eval['recall'][:, :, 0, index].mean(axis=0))


def _mean_defined(values: np.ndarray) -> float:
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else -1.0
