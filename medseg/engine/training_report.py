"""What a training leaves to look at: curves, precision and recall, confusion, best and worst."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from mmengine.config import Config
from pycocotools import mask as mask_utils
from rich.console import Console
from rich.progress import track

from medseg.configs import datasets
from medseg.data.coco_file import load_coco
from medseg.data.convert.images import read_upright
from medseg.data.convert.records import ConversionError, RecordError
from medseg.data.pictures import draw_annotations, write_png
from medseg.errors import UserError
from medseg.metrics.confusion import Confusion
from medseg.runtime.coco_results import SCORE_THR, AnnotationIds

from .inference import Predictor
from .training_curves import training_curves
from .training_state import expected_checkpoint

#: Images in ``best`` and in ``worst``.
SHOWN = 4


def best_checkpoint(work: Path) -> Path | None:
    """The checkpoint with the best validation of a work dir, else the last one."""
    best = sorted(work.glob('best_*.pth'), key=lambda path: path.stat().st_mtime)
    if best:
        return best[-1]
    last = expected_checkpoint(work)
    return last if last is not None and last.is_file() else None


def write_report(config: Config, work: Path, device: str = 'cpu') -> Path:
    """Draw the training and what its best checkpoint does on the validation images.

    ``WORK_DIR/report`` gets ``curves.png``, ``precision_recall.png``, ``confusion.png`` (both at
    IoU 0.5 of masks) and ``best/`` and ``worst/`` with truth and prediction side by side.

    Args:
        config (Config): The full config; its validation data are instances in COCO format.
        work (Path): The work dir of the training.
        device (str): Such as ``cpu`` or ``cuda:0``.

    Returns:
        Path: The folder.

    Raises:
        UserError: There is no checkpoint, or a validation image cannot be read.
    """
    out = work / 'report'
    _write_figure(out / 'curves.png', _curves(training_curves(work)))
    checkpoint = best_checkpoint(work)
    if checkpoint is None:
        raise UserError(f'{work}: holds no checkpoint to report on')
    predictor = Predictor(config, str(checkpoint), device)
    dataset = next(datasets(config, 'val_dataloader'))
    root = Path(dataset.get('data_root') or '.')
    truth = load_coco(root / dataset['ann_file'])
    folder = root / (dataset.get('data_prefix') or {}).get('img', '')
    ids = AnnotationIds(root / dataset['ann_file']).category_ids(predictor.classes.names)
    label_of = {number: label for label, number in enumerate(ids)}
    by_image: dict[object, list[dict]] = {image['id']: [] for image in truth['images']}
    for annotation in truth['annotations']:
        if annotation['category_id'] in label_of and annotation['image_id'] in by_image:
            by_image[annotation['image_id']].append(annotation)
    confusion = Confusion(len(ids), SCORE_THR)
    predictions: dict[object, list[dict]] = {}
    for image in track(truth['images'], 'report', console=Console(stderr=True), transient=True):
        found = predictor(cv2.cvtColor(_pixels(folder / image['file_name']), cv2.COLOR_RGB2BGR))
        own_labels = {number: label for label, number in enumerate(predictor.classes.category_ids)}
        confusion.add(
            image['id'],
            [(label_of[item['category_id']], _rle(item, image)) for item in by_image[image['id']]],
            [(own_labels[item['category_id']], item['segmentation'], item['score'])
             for item in found if 'segmentation' in item])
        predictions[image['id']] = [item for item in found if item['score'] >= SCORE_THR]
    names = predictor.classes.names
    colors = [tuple(value / 255 for value in color) for color in predictor.classes.colors]
    _write_figure(out / 'precision_recall.png', _precision_recall(confusion, names, colors))
    _write_figure(out / 'confusion.png', _confusion(confusion.matrix, names))
    ranked = sorted(confusion.quality, key=confusion.quality.get)
    images = {image['id']: image for image in truth['images']}
    for kind, chosen in (('worst', ranked[:SHOWN]), ('best', ranked[::-1][:SHOWN])):
        for place, number in enumerate(chosen, start=1):
            name = Path(images[number]['file_name']).stem
            picture = _side_by_side(
                _pixels(folder / images[number]['file_name']),
                [dict(item, category_id=predictor.classes.category_ids[
                    label_of[item['category_id']]]) for item in by_image[number]],
                predictions[number], predictor)
            write_png(out / kind / f'{place}_{name}_{confusion.quality[number]:.2f}.png', picture)
    return out


def _pixels(path: Path) -> np.ndarray:
    try:
        return read_upright(path)
    except RecordError as error:
        raise ConversionError(f'{path}: {error}') from error


def _rle(annotation: Mapping, image: Mapping) -> dict:
    """Compressed RLE of an annotation, polygons or RLE."""
    segmentation, size = annotation['segmentation'], (image['height'], image['width'])
    if isinstance(segmentation, list):
        return mask_utils.merge(mask_utils.frPyObjects(segmentation, *size))
    return mask_utils.frPyObjects(segmentation, *size) \
        if isinstance(segmentation['counts'], list) else segmentation


def _side_by_side(pixels: np.ndarray, truth: list[dict], found: list[dict],
                  predictor: Predictor) -> np.ndarray:
    """Truth on the left, prediction on the right; RGB."""
    return np.hstack([draw_annotations(pixels, items, predictor.classes.name_of,
                                       colors=predictor.classes.colors)
                      for items in (truth, found)])


def _write_figure(path: Path, figure: Figure) -> None:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    write_png(path, np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3]))


def _curves(curves: Mapping[str, Sequence[Sequence[float]]]) -> Figure:
    figure = Figure(figsize=(9, 3.6), dpi=100, layout='constrained')
    loss, scores = figure.subplots(1, 2)
    loss.plot(*np.array(curves['loss'] or [[0, 0]], float).T, marker='.')
    loss.set_xlabel('epoch')
    loss.set_ylabel('mean training loss')
    for key, label in (('segm_mAP', 'mask mAP'), ('segm_mAP_50', 'mask mAP50'),
                       ('bbox_mAP', 'box mAP')):
        if curves.get(key):
            scores.plot(*np.array(curves[key], float).T, marker='.', label=label)
    scores.set_xlabel('epoch')
    scores.set_ylabel('validation')
    scores.set_ylim(0, 1)
    if scores.lines:
        scores.legend()
    return figure


def _precision_recall(confusion: Confusion, names: Sequence[str],
                      colors: Sequence[Sequence[float]]) -> Figure:
    figure = Figure(figsize=(5.6, 4.4), dpi=100, layout='constrained')
    axes = figure.add_subplot()
    for name, color, found in zip(names, colors, confusion.detections(), strict=True):
        if found.targets:
            _, precision, recall = found.curve()
            start = np.zeros(len(recall[:1]))  # nothing to draw of a class that was never found
            axes.plot([*start, *recall], [*precision[:1], *precision], color=color,
                      label=f'{name} ({found.targets})')
    axes.set(xlabel='recall', ylabel='precision', xlim=(0, 1.01), ylim=(0, 1.01),
             title='masks at IoU 0.5')
    if axes.lines:
        axes.legend(fontsize='small')
    return figure


def _confusion(matrix: np.ndarray, names: Sequence[str]) -> Figure:
    side = max(4.4, 0.45 * len(matrix) + 2.4)
    figure = Figure(figsize=(side + 0.8, side), dpi=100, layout='constrained')
    axes = figure.add_subplot()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap='Blues', vmin=0, vmax=1)
    for row, column in np.argwhere(matrix):
        axes.text(column, row, str(matrix[row, column]), ha='center', va='center', fontsize=8,
                  color='white' if shares[row, column] > 0.5 else 'black')
    ticks = np.arange(len(matrix))
    axes.set_xticks(ticks, [*names, 'missed'], rotation=45, ha='right')
    axes.set_yticks(ticks, [*names, 'background'])
    axes.set(xlabel='predicted', ylabel='truth', title=f'IoU 0.5, score from {SCORE_THR} on')
    return figure
