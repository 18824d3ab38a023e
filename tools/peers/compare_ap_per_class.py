"""Check precision, recall and mAP50 against Ultralytics' ``ap_per_class`` on the same predictions.

Ultralytics is an optional peer, never a dependency: its licence is AGPL-3.0. Install it in an
environment of its own, beside numpy, opencv-python-headless and pycocotools, and run this tool
there. Without it the tool prints this project's figures only.

Exit code: 0 the figures agree, 1 they differ by more than the tolerance, 2 nothing to compare with.
"""
import argparse
import contextlib
import io
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO

# The other environment does not have this project installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from medseg.metrics.fast_cocoeval import FastCOCOeval, results_to_coco  # noqa: E402
from medseg.metrics.instance_matches import complete_annotations  # noqa: E402
from medseg.metrics.instance_scores import score_instances  # noqa: E402

JUDGED = ('precision', 'recall', 'yolo_mAP_50')
SHOWN = (*JUDGED, 'mAP_50', 'mAP')
NO_PEER = (
    'ultralytics is not installed in this environment, so there is nothing to compare with. It is '
    'an optional peer under AGPL-3.0 and no dependency of this project: install it in an '
    'environment of its own (python -m venv peer; peer/bin/pip install ultralytics pycocotools '
    'opencv-python-headless) and run this tool with that environment\'s python.')

RAMP = (
    'note: this release draws its precision-recall curve from the last recall reached straight to '
    '(1, 0), so its mAP counts recall that no prediction reached and is higher than COCO\'s; '
    'install a newer one to compare mAP50')


def main(argv: list[str] | None = None) -> int:
    """Run the comparison; returns the exit code described above."""
    args = parse_args(argv)
    coco = load_ground_truth(args.gt, args.iou_type)
    records = load_predictions(args.pred, args.iou_type)
    ours = our_figures(coco, records, args.iou_type, args.max_dets)
    if find_spec('ultralytics') is None:
        for name in SHOWN:
            print(f'{name:12s} {ours[name]:.6f}')
        print(NO_PEER)
        return 2
    evaluator = make_evaluator(coco, records, args.iou_type, args.max_dets)
    columns = {
        'our matching': their_figures(*matched_detections(evaluator, args.max_dets)),
        'their matching': their_figures(*their_matching(evaluator, args.max_dets)),
    }
    import ultralytics
    print(f'ultralytics {ultralytics.__version__}')
    if draws_ramp():
        print(RAMP)
    print(f'{"figure":12s} {"ours":>10s}', *(f'{name:>15s} {"diff":>10s}' for name in columns))
    worst = 0.0
    for name in SHOWN:
        cells = []
        for theirs in columns.values():
            value = theirs['yolo_mAP_50' if name == 'mAP_50' else name]
            difference = max(ours[name], 0.0) - value  # -1: no ground truth; they print 0
            cells.append(f'{value:15.6f} {difference:+10.6f}')
            if name in JUDGED:
                worst = max(worst, abs(difference))
        print(f'{name:12s} {ours[name]:10.6f}', *cells)
    print(f'confidence   {ours["confidence"]:10.6f}', *(
        f'{theirs["confidence"]:15.6f}{"":11s}' for theirs in columns.values()))
    print('mAP_50 and mAP are COCO\'s staircase average beside Ultralytics\' trapezoids.')
    agree = worst <= args.tolerance
    print(f'{"AGREE" if agree else "DIFFER"}: {", ".join(JUDGED)} within {worst:.6f} '
          f'(tolerance {args.tolerance})')
    return 0 if agree else 1


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('pred', type=Path, metavar='PRED.json',
                        help='COCO results, as InstanceMetric writes with outfile_prefix')
    parser.add_argument('gt', type=Path, metavar='GT.json', help='COCO annotations')
    parser.add_argument('--iou-type', choices=('segm', 'bbox'), default='segm')
    parser.add_argument('--max-dets', type=int, default=100,
                        help='detections per image and class that count (default: 100)')
    parser.add_argument('--tolerance', type=float, default=0.002,
                        help='largest accepted difference (default: 0.002)')
    return parser.parse_args(argv)


def load_ground_truth(path: Path, iou_type: str) -> COCO:
    """Load COCO annotations without pycocotools' messages."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(path))
    coco.dataset.setdefault('annotations', [])
    complete_annotations(coco, str(path), iou_type == 'segm')
    return coco


def load_predictions(path: Path, iou_type: str) -> list[dict]:
    """Load COCO results and check that they hold what is to be compared.

    Raises:
        ValueError: The file is no list, or a record lacks a key.
    """
    records = json.loads(path.read_text())
    if not isinstance(records, list):
        raise ValueError(f'{path}: expected a list of COCO results, got {type(records).__name__}')
    needed = {'image_id', 'category_id', 'score', 'segmentation' if iou_type == 'segm' else 'bbox'}
    for i, record in enumerate(records):
        if needed - record.keys():
            raise ValueError(
                f'{path}: record {i} lacks {sorted(needed - record.keys())}; '
                f'give the file of --iou-type {iou_type}')
    return records


def our_figures(coco: COCO, records: list[dict], iou_type: str, max_dets: int) -> dict[str, float]:
    """This project's figures: those of ``score_instances`` plus the confidence."""
    scores = score_instances(
        coco, records, iou_type, cat_ids=sorted(coco.getCatIds()), img_ids=coco.getImgIds(),
        max_dets=max_dets, nsd_tolerance=None)
    return {**scores.overall, 'confidence': scores.confidence}


def make_evaluator(coco: COCO, records: list[dict], iou_type: str, max_dets: int) -> FastCOCOeval:
    """Match the predictions by COCO's rule at IoU 0.50:0.95."""
    evaluator = FastCOCOeval(coco, results_to_coco(coco, records, iou_type), iou_type)
    evaluator.params.maxDets = [max_dets]
    evaluator.evaluate()
    return evaluator


def matched_detections(evaluator: FastCOCOeval, max_dets: int) -> tuple[np.ndarray, ...]:
    """True positives (n, thresholds), scores (n,), classes (n,) and target classes by our matching.

    Detections that only a crowd explains are left out, as are crowds.
    """
    thresholds = len(evaluator.params.iouThrs)
    hits, scores = [np.zeros((0, thresholds))], [np.zeros(0)]
    labels, targets = [np.zeros(0)], [np.zeros(0)]
    for k in range(len(evaluator.params.catIds)):
        for record in evaluator.class_records(k):
            counted = ~record['dtIgnore'][0, :max_dets]
            hit = (record['dtMatches'] > 0)[:, :max_dets][:, counted].T
            hits.append(hit.astype(float))
            scores.append(np.asarray(record['dtScores'][:max_dets], dtype=float)[counted])
            labels.append(np.full(len(hit), k))
            targets.append(np.full(np.count_nonzero(~record['gtIgnore']), k))
    return tuple(np.concatenate(parts) for parts in (hits, scores, labels, targets))


def their_matching(evaluator: FastCOCOeval, max_dets: int) -> tuple[np.ndarray, ...]:
    """The same as ``matched_detections``, by Ultralytics' own matching; crowds are left out."""
    import torch
    from ultralytics.engine.validator import BaseValidator

    params = evaluator.params
    thresholds = SimpleNamespace(iouv=torch.linspace(0.5, 0.95, 10))
    field = 'segmentation' if params.iouType == 'segm' else 'bbox'
    hits, scores = [np.zeros((0, 10))], [np.zeros(0)]
    labels, targets = [np.zeros(0)], [np.zeros(0)]
    for img_id in params.imgIds:
        gts, dts = [], []
        for k, cat_id in enumerate(params.catIds):
            gts += [(k, gt) for gt in evaluator._gts[img_id, cat_id] if not gt['ignore']]
            ranked = sorted(evaluator._dts[img_id, cat_id], key=lambda dt: -dt['score'])
            dts += [(k, dt) for dt in ranked[:max_dets]]
        dts.sort(key=lambda pair: -pair[1]['score'])
        labels.append(np.array([k for k, _ in dts], dtype=float))
        targets.append(np.array([k for k, _ in gts], dtype=float))
        scores.append(np.array([dt['score'] for _, dt in dts], dtype=float))
        hit = np.zeros((len(dts), 10))
        if gts and dts:
            iou = mask_utils.iou([dt[field] for _, dt in dts], [gt[field] for _, gt in gts],
                                 [0] * len(gts))
            hit = BaseValidator.match_predictions(
                thresholds, torch.tensor(labels[-1]), torch.tensor(targets[-1]),
                torch.tensor(np.asarray(iou).T)).numpy().astype(float)
        hits.append(hit)
    return tuple(np.concatenate(parts) for parts in (hits, scores, labels, targets))


def draws_ramp() -> bool:
    """Whether Ultralytics' AP counts recall beyond the last prediction, as old releases do."""
    from ultralytics.utils.metrics import ap_per_class

    # One hit, two targets: AP is 0.5, with the ramp 0.75.
    ap = ap_per_class(np.ones((1, 1)), np.array([0.9]), np.zeros(1), np.zeros(2))[5]
    return bool(ap[0, 0] > 0.6)


def their_figures(hits: np.ndarray, scores: np.ndarray, labels: np.ndarray,
                  targets: np.ndarray) -> dict[str, float]:
    """What Ultralytics makes of matched detections; 0 where it finds no class, as it prints."""
    from ultralytics.utils.metrics import ap_per_class

    result = ap_per_class(hits, scores, labels, targets)
    precision, recall, ap = result[2], result[3], result[5]
    f1_curve, grid = result[9], result[10]
    if not len(ap):
        return dict(precision=0.0, recall=0.0, yolo_mAP_50=0.0, mAP=0.0, confidence=0.0)
    # It does not return the confidence it chose; it is where its F1 curves give its F1.
    same = np.abs(f1_curve - result[4][:, None]).max(axis=0) == 0
    return dict(
        precision=float(precision.mean()), recall=float(recall.mean()),
        yolo_mAP_50=float(ap[:, 0].mean()), mAP=float(ap.mean()),
        confidence=float(grid[same.argmax()]))


if __name__ == '__main__':
    raise SystemExit(main())
