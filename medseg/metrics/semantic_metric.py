"""The metric of class areas, for semantic models and for the unions of instance models."""
from __future__ import annotations

import contextlib
import io
import math
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import torch
from mmdet.registry import METRICS
from mmengine.evaluator import BaseMetric
from mmengine.fileio import get_local_path
from mmengine.logging import MMLogger
from terminaltables import AsciiTable

from medseg.data.categories import category_ids
from medseg.data.checked_coco import load_checked
from medseg.data.patients import patient_groups
from medseg.io import write_json

from .rle import encode_masks
from .semantic_scores import FIGURES
from .semantic_table import SemanticTable, best_threshold, score_areas


@METRICS.register_module()
class SemanticMetric(BaseMetric):
    """Dice, IoU, HD95 and NSD of each class's area.

    A class's area is the union of its instances: of semantic models the one region of the class,
    of instance models all instances from ``score_thr`` on. Keys are ``semantic/NAME`` with NAME
    ``dice``, ``iou``, ``hd95`` (pixels) and ``nsd_3px``, averaged over images, then over classes;
    ``NAME_per_patient`` averages each patient's images first; with ``classwise`` also
    ``nerve_dice`` and so on. -1 is a figure without a single image to measure it on. Definitions
    and the rules for empty areas are in :mod:`.semantic_scores` and ``docs/metrics.md``.

    Args:
        ann_file (str): COCO annotation file.
        score_thr (float): Instances count from this score on, 0 to 1. Of an instance model, take
            the ``best_score_thr`` of the validation images.
        tune (bool): Also report ``best_score_thr`` and ``best_dice``, the threshold with the
            highest mean Dice on these images.
        nsd_tolerance_px (float): Tolerance of NSD in pixels of the original image.
        classwise (bool): Also report every class.
        outfile_prefix (str, optional): Areas are written to ``{outfile_prefix}.semantic.json``,
            COCO results.
        backend_args (dict, optional): How to read ``ann_file``.
        collect_device (str): 'cpu' or 'gpu', for distributed testing.
        prefix (str, optional): Replaces ``semantic`` in the keys.

    Raises:
        ValueError: A bad argument.
        UserError: The file lacks a class, or a mask is of another size than its image.
    """

    default_prefix: str | None = 'semantic'

    def __init__(self, ann_file: str, score_thr: float = 0.0, tune: bool = False,
                 nsd_tolerance_px: float = 3, classwise: bool = True,
                 outfile_prefix: str | None = None, backend_args: dict | None = None,
                 collect_device: str = 'cpu', prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if not 0 <= score_thr <= 1:
            raise ValueError(f'score_thr must be between 0 and 1, got {score_thr}')
        if nsd_tolerance_px is not None and nsd_tolerance_px < 0:
            raise ValueError(f'nsd_tolerance_px must not be negative, got {nsd_tolerance_px}')
        self.ann_file, self.score_thr, self.tune = ann_file, score_thr, tune
        self.nsd_tolerance_px = 3 if nsd_tolerance_px is None else nsd_tolerance_px
        self.classwise, self.outfile_prefix = classwise, outfile_prefix
        with get_local_path(ann_file, backend_args=backend_args) as path, \
                contextlib.redirect_stdout(io.StringIO()):
            self._coco = load_checked(path, str(ann_file), training=False)

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Keep one batch's instances, masks as RLE.

        Args:
            data_batch (dict): Unused.
            data_samples (Sequence[dict]): Each with ``img_id`` and ``pred_instances``: ``labels``
                and ``scores`` (n,), ``masks`` (n, H, W) bool at the original size or RLEs;
                optionally ``mask_scores`` (n,).
        """
        for sample in data_samples:
            found = sample['pred_instances']
            masks = found['masks']
            if isinstance(masks, torch.Tensor):
                masks = masks.detach().cpu().numpy()
            if isinstance(masks, np.ndarray):
                masks = encode_masks(masks)
            scores = found.get('mask_scores', found['scores'])
            self.results.append((sample['img_id'], [
                (label, score, mask) for label, score, mask in zip(
                    found['labels'].tolist(), scores.tolist(), masks, strict=True)]))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """All figures of the collected predictions; prints the table.

        Args:
            results (list): What ``process`` kept.
        """
        logger: MMLogger = MMLogger.get_current_instance()
        classes = list(self.dataset_meta['classes'])
        cat_ids = category_ids(self._coco.cats, classes, str(self.ann_file))
        img_ids = self._coco.get_img_ids()
        records = [dict(image_id=image, category_id=cat_ids[label], score=score,
                        segmentation=_text(mask))
                   for image, found in results for label, score, mask in found]
        if self.outfile_prefix is not None:
            path = f'{self.outfile_prefix}.semantic.json'
            write_json(path, records)
            logger.info(f'Wrote {len(records)} areas to {path}')
        missing = len(set(img_ids) - {image for image, _ in results})
        if missing:
            logger.warning(f'{missing} of {len(img_ids)} images of {self.ann_file} were not '
                           'predicted; their areas count as missed')
        scored = dict(cat_ids=cat_ids, img_ids=img_ids)
        table = score_areas(self._coco, records, score_thr=self.score_thr,
                            tolerance=self.nsd_tolerance_px, **scored)
        groups, unit = patient_groups([self._coco.imgs[i] for i in img_ids])
        figures = self._figures(table, groups)
        if self.tune:
            threshold, dice = best_threshold(self._coco, records, **scored)
            figures['best_score_thr'], figures['best_dice'] = threshold, _defined(dice)
        empty = [name for name, value in zip(classes, table.per_class('dice'), strict=True)
                 if math.isnan(value)]
        if empty:
            logger.warning(f'{self.ann_file}: no pixel, true or predicted, of {", ".join(empty)}; '
                           'left out of the means')
        logger.info(f'areas, {len(img_ids)} images, score from {self.score_thr:g} on, means over '
                    f'images and over {unit}s\n{area_table(table, groups)}')
        return figures

    def _figures(self, table: SemanticTable, groups: np.ndarray) -> dict[str, float]:
        figures: dict[str, float] = OrderedDict()
        for name in FIGURES:
            key = f'nsd_{self.nsd_tolerance_px:g}px' if name == 'nsd' else name
            figures[key] = _defined(table.mean(name))
            figures[f'{key}_per_patient'] = _defined(table.mean(name, groups))
            if self.classwise:
                for label, value in zip(table.classes, table.per_class(name), strict=True):
                    figures[f'{label.replace(" ", "_")}_{key}'] = _defined(value)
        return figures


def area_table(table: SemanticTable, groups: np.ndarray) -> str:
    """The figures as text, a row for each class and two for their means; '-' where undefined."""
    columns = [table.per_class(name) for name in FIGURES]
    rows = [['class', *FIGURES]]
    rows += [[label, *(_cell(column[i]) for column in columns)]
             for i, label in enumerate(table.classes)]
    rows.append(['all', *(_cell(table.mean(name)) for name in FIGURES)])
    rows.append(['all, per patient', *(_cell(table.mean(name, groups)) for name in FIGURES)])
    return AsciiTable(rows).table


def _cell(value: float) -> str:
    return '-' if math.isnan(value) else f'{value:.3f}'


def _defined(value: float) -> float:
    return -1.0 if math.isnan(value) else float(value)


def _text(rle: dict) -> dict:
    counts = rle['counts']
    return dict(rle, counts=counts.decode() if isinstance(counts, bytes) else counts)


