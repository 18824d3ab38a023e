"""All figures of one prediction file against one ground truth, as plain numbers."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from pycocotools.coco import COCO

from medseg.data.outlines import encoded
from medseg.data.patients import patients
from medseg.errors import UserError
from medseg.metrics.bootstrap import image_weights, interval
from medseg.metrics.calibration import Calibration, calibrate
from medseg.metrics.confusion import Confusion
from medseg.metrics.error_causes import CAUSES, EXTREMES, ErrorCauses, error_causes
from medseg.metrics.instance_matches import Matches
from medseg.metrics.matching import ClassMatches
from medseg.metrics.precision_recall import CONFIDENCES, best_f1_point, confidence_curves
from medseg.metrics.strata import WHOLE, Strata, border_tests, size_tests, stratify

from . import groups, predictions, worst
from .groups import entry

SCHEMA = 'medseg-errors/1'
#: Scores at which remaining detections are counted, beside the chosen one.
THRESHOLDS = (0.001, 0.05, 0.3)
#: From this score on a detection may be looked at; the second calibration error starts here.
SEEN = 0.05


@dataclass(frozen=True)
class Settings:
    """How a file is looked at.

    Attributes:
        score_thr (float | None): Score from which detections count in confusion, recall, Dice and
            pictures; None: the one with the best F1 on this set.
        iou_thr (float): Of the confusion matrix.
        max_dets (int): Detections per image and class that count.
        resamples (int): Bootstrap draws.
        number (int): Worst images.
    """

    score_thr: float | None = None
    iou_thr: float = 0.5
    max_dets: int = 100
    resamples: int = 200
    number: int = 30


@dataclass(frozen=True)
class Found:
    """What the page draws beside the figures.

    Attributes:
        document (dict): All figures, ready for JSON.
        records (list[dict]): Detections from the chosen score on.
        drawn (dict): By kind, ``segm`` or ``bbox``, then figure, its value in each resample of
            patients, (resamples,); the same draws for every model of a set.
    """

    document: dict
    records: list[dict]
    drawn: dict[str, dict[str, np.ndarray]]


def brightness(coco: COCO, folder: Path) -> np.ndarray:
    """Mean grey value of each image, 0 to 255, by rising id, (images,).

    Raises:
        UserError: An image cannot be read or is of another size than annotated.
    """
    return np.array([cv2.cvtColor(worst.pixels(folder, coco.imgs[i]), cv2.COLOR_BGR2GRAY).mean()
                     for i in sorted(coco.imgs)])


def collect(files: predictions.Files, coco: COCO, light: np.ndarray, settings: Settings,
            report: Callable[[str], None] = lambda text: None) -> Found:
    """Compute everything.

    Args:
        files (Files): The predictions.
        coco (COCO): Ground truth of :func:`medseg.metrics.instance_matches.read_truth`.
        light (np.ndarray): Of :func:`brightness`.
        settings (Settings): How to look at them.
        report (Callable): Gets a line per step.

    Raises:
        UserError: A prediction cannot be used.
    """
    kind = 'segm' if 'segm' in files.paths else 'bbox'
    tests = {**size_tests(), **border_tests(coco)}
    ids = sorted(coco.imgs)
    records: dict[str, list[dict]] = {}
    strata: dict[str, Strata] = {}
    causes: dict[str, ErrorCauses] = {}
    for name, path in files.paths.items():
        records[name] = predictions.read(path, name, coco, settings.max_dets)
        try:
            strata[name] = stratify(coco, records[name], name, tests, settings.max_dets)
            causes[name] = error_causes(coco, records[name], name, settings.max_dets)
        except ValueError as error:
            raise UserError(f'{path}: {error}') from error
        report(f'{files.label}: {len(records[name])} {name} predictions matched')
    own = causes[kind]
    names = own.names
    weights = image_weights(own.groups, settings.resamples)
    classes = strata[kind].matches[WHOLE]
    found = [c.detections() for c in classes]
    point = best_f1_point(found)
    best = point.confidence
    lowest = best if settings.score_thr is None else settings.score_thr
    kept = [record for record in records[kind] if record['score'] >= lowest]
    told = patients([coco.imgs[i] for i in ids])
    drawn = {name: _draws(strata[name], causes[name], weights) for name in causes}
    rows = [groups.figures(group, strata[kind], names, own.groups, lowest, weights)
            for group in groups.choose(names, told, light)]
    report(f'{files.label}: {len(rows)} groups')
    counts = worst.image_counts(strata[kind].truths, own, lowest, len(ids))
    document = dict(
        schema=SCHEMA, label=files.label, predictions={k: str(p) for k, p in files.paths.items()},
        kind=kind, classes=list(names), images=len(ids), objects=len(own.found),
        crowds=sum(bool(ann['iscrowd']) for ann in coco.anns.values()), unit=own.unit,
        units=len(np.unique(own.groups)), patients=told is not None,
        max_dets=settings.max_dets, resamples=settings.resamples, score_thr=lowest,
        score_thr_chosen='on this set, best F1' if settings.score_thr is None else 'by --score-thr',
        best_f1_score=best, iou_thr=settings.iou_thr,
        figures={name: _figures(strata[name], causes[name], drawn[name]) for name in causes},
        causes={name: _causes(causes[name], drawn[name], lowest) for name in causes},
        confusion=_confusion(coco, records[kind], kind, names, lowest, settings.iou_thr),
        curves=_curves(classes, names),
        calibration=_calibration(classes, weights),
        groups=rows,
        detections=_detections(records[kind], classes, len(ids), {
            **{f'{thr:g}': thr for thr in THRESHOLDS}, 'best F1': best,
            **({} if settings.score_thr is None else {'chosen': lowest})}),
        lowest_score=min((record['score'] for record in records[kind]), default=None),
        quality=[None if np.isnan(q) else float(q) for q in counts['quality']],
        worst=[_worst(coco.imgs[ids[i]], i, counts, told)
               for i in worst.rank(counts, settings.number)])
    return Found(document, kept, drawn)


def _whole(strata: Strata, causes: ErrorCauses) -> Matches:
    return Matches(strata.matches[WHOLE], causes.names, causes.groups, causes.unit)


def _draws(strata: Strata, causes: ErrorCauses, weights: np.ndarray) -> dict[str, np.ndarray]:
    """``mAP``, ``mAP_50`` and the gain of each cause in every resample."""
    whole = _whole(strata, causes)
    found = [{**causes.figures(w), **whole.figures(w)} for w in weights]
    return {name: np.array([draw[name] for draw in found]) for name in (found[0] if found else ())}


def _figures(strata: Strata, causes: ErrorCauses, drawn: Mapping[str, np.ndarray]) -> dict:
    """``mAP`` and ``mAP_50`` with intervals."""
    return {name: entry(value, drawn.get(name))
            for name, value in _whole(strata, causes).figures().items()}


def _causes(causes: ErrorCauses, drawn: Mapping[str, np.ndarray], lowest: float) -> dict:
    """Gains with intervals, gains of each class, and counts."""
    before = causes.average_precision()
    whole = causes.figures()
    counts, shown = causes.counts(), causes.counts(lowest)
    everything = causes.average_precision(CAUSES)
    result = {}
    for place, cause in enumerate((*CAUSES, *EXTREMES)):
        gains = causes.average_precision([cause]) - before
        result[cause] = dict(
            entry(whole[cause], drawn.get(cause)),
            classes={name: None if np.isnan(gain) else float(gain)
                     for name, gain in zip(causes.names, gains, strict=True)})
        if cause in CAUSES:
            result[cause].update(count=int(counts[:, place].sum()),
                                 count_shown=int(shown[:, place].sum()))
    return dict(gains=result, all_mended=entry(
        float(np.nanmean(everything)) if not np.isnan(everything).all() else float('nan'))['value'])


def _confusion(coco: COCO, records: list[dict], kind: str, names: tuple[str, ...], score_thr: float,
               iou_thr: float) -> dict:
    """The matrix: truth by row, prediction by column, background last."""
    label = {category: place for place, category in enumerate(sorted(coco.cats))}

    def area(item: Mapping) -> object:
        image = coco.imgs[item['image_id']]
        return encoded(item['segmentation'], image['height'], image['width']) \
            if kind == 'segm' else item['bbox']

    found: dict = {image: [] for image in coco.imgs}
    for record in records:
        if record['score'] >= score_thr:
            found[record['image_id']].append(
                (label[record['category_id']], area(record), record['score']))
    confusion = Confusion(len(names), score_thr, iou_thr)
    for image, items in found.items():
        anns = [(bool(ann['iscrowd']), label[ann['category_id']], area(ann))
                for ann in coco.imgToAnns[image] if ann['category_id'] in label]
        confusion.add(image, [(c, a) for crowd, c, a in anns if not crowd], items,
                      [(c, a) for crowd, c, a in anns if crowd])
    return dict(labels=[*names, 'background'], matrix=confusion.matrix.tolist(),
                score_thr=score_thr, iou_thr=iou_thr)


def _curves(classes: tuple[ClassMatches, ...], names: tuple[str, ...]) -> dict:
    """Precision over recall at IoU 0.5, and F1 over confidence, of each class and their mean."""
    precision, recall, f1 = confidence_curves([c.detections() for c in classes])
    present = [k for k, c in enumerate(classes) if c.targets.any()]
    step = slice(None, None, 9)  # 112 of 1000 confidences

    def row(values: np.ndarray) -> list[float]:
        return values[step].round(4).tolist()

    return dict(
        recalls=np.linspace(0, 1, 101).round(2).tolist(), confidences=row(CONFIDENCES),
        classes={names[k]: dict(precision_at=classes[k].curve(points=101), f1=row(f1[k]),
                                precision=row(precision[k]), recall=row(recall[k]))
                 for k in present},
        mean_f1=row(f1[present].mean(axis=0)) if present else [])


def _calibration(classes: tuple[ClassMatches, ...], weights: np.ndarray) -> dict:
    """Reliability of all detections and of those from :data:`SEEN` on."""
    parts = [(c.images[c.counted[0]], c.scores[c.counted[0]], c.hits[0, c.counted[0]])
             for c in classes]
    images, scores, hits = (np.concatenate(column) for column in zip(*parts, strict=True)) \
        if parts else (np.zeros(0, int), np.zeros(0), np.zeros(0, bool))

    def of(lowest: float) -> dict:
        found = calibrate(scores, hits, lowest=lowest)
        drawn = np.array([calibrate(scores, hits, lowest=lowest, weights=w[images]).error
                          for w in weights])
        return dict(_bins(found), lowest=lowest, detections=int(found.counts.sum()),
                    error=dict(value=entry(found.error)['value'], interval=interval(drawn)))

    return dict(all=of(0.0), seen=of(SEEN))


def _bins(found: Calibration) -> dict:
    def plain(values: np.ndarray) -> list[float | None]:
        return [None if np.isnan(v) else float(v) for v in values]

    return dict(edges=found.edges.round(4).tolist(), counts=found.counts.astype(int).tolist(),
                confidence=plain(found.confidence), accuracy=plain(found.accuracy))


def _detections(records: list[dict], classes: tuple[ClassMatches, ...], images: int,
                thresholds: Mapping[str, float]) -> list[dict]:
    """What is left per image from each score on, and how much of it is right."""
    place: dict = {}
    where = np.array([place.setdefault(r['image_id'], len(place)) for r in records], int)
    scores = np.array([r['score'] for r in records], float)
    targets = sum(int(c.targets.sum()) for c in classes)
    rows = []
    for name, lowest in thresholds.items():
        counts = np.bincount(where[scores >= lowest], minlength=images)
        sure = [(c.scores >= lowest) & c.counted[0] for c in classes]
        counted = sum(int(s.sum()) for s in sure)
        right = sum(int((c.hits[0] & s).sum()) for c, s in zip(classes, sure, strict=True))
        rows.append(dict(
            name=name, score=lowest, mean=float(counts.mean()) if images else 0.0,
            median=float(np.median(counts)) if images else 0.0,
            most=int(counts.max(initial=0)), precision=right / counted if counted else None,
            recall=right / targets if targets else None))
    return rows


def _worst(image: dict, index: int, counts: dict[str, np.ndarray], told: list[str] | None) -> dict:
    return dict(file_name=image['file_name'], image_id=image['id'],
                patient=told[index] if told else None, quality=float(counts['quality'][index]),
                **{name: int(counts[name][index]) for name in ('found', 'missed', 'false')},
                causes={cause: int(n) for cause, n in zip(CAUSES, counts['causes'][index],
                                                          strict=True) if n})
