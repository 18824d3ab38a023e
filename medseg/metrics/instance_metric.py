"""The metric that every config uses: COCO's figures and those the LMSF-A paper quotes."""
import contextlib
import io
import os
import tempfile
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import torch
from mmdet.datasets.api_wrappers import COCO
from mmdet.evaluation import CocoMetric
from mmdet.registry import METRICS
from mmengine.fileio import get_local_path
from mmengine.logging import MMLogger
from pycocotools import mask as mask_utils

from medseg.data.categories import category_ids
from medseg.data.checked_coco import load_checked
from medseg.io import write_json
from medseg.tables import plain

from .instance_matches import complete_annotations
from .instance_scores import InstanceScores, score_instances
from .rle import encode_masks

#: Figures that are logged under their keys but would make the table too wide to read.
_NOT_IN_TABLE = ('f1', 'yolo_mAP_50', 'boundary_mAP_75')


#: The second name is that of release 0.1.
@METRICS.register_module(name=['InstanceMetric', 'PELDMetric'])
class InstanceMetric(CocoMetric):
    """Box and mask AP, precision and recall at the best-F1 confidence, AR and contour quality.

    Keys are ``coco/{bbox,segm}_NAME`` with NAME one of ``mAP``, ``mAP_50``, ``mAP_75``, ``mAP_s``,
    ``mAP_m``, ``mAP_l``, ``precision``, ``recall``, ``f1``, ``confidence`` (the best-F1
    confidence), ``yolo_mAP_50``, ``AR@100`` and, with another ``max_dets``, ``AR@{max_dets}``; for
    masks also ``boundary_mAP*``, ``nsd_3px`` and ``nsd_3px_all``; with ``classwise`` also
    ``coco/segm_nerve_mAP`` and so on, spaces in class names becoming ``_``. All are fractions in
    [0, 1]; -1 is a figure without a single ground truth to measure it on.

    Definitions (``docs/metrics.md`` has them at length):

    - *AP* is COCO's, at ``max_dets`` detections per image and class.
    - *Precision* and *recall*: at IoU 0.5, at the one confidence where the smoothed F1, averaged
      over classes, is highest; averaged over the classes with ground truth. These are YOLO's
      "P" and "R" (see ``precision_recall``).
    - *AR@100* is COCO's: the recall of the best 100 detections per image and class whatever their
      score, averaged over IoU 0.50:0.95 and classes.
    - *boundary AP* takes min(mask IoU, boundary IoU) for IoU (see ``boundary``).
    - *NSD* is the share of the contours within a tolerance of one another (see ``surface``).

    Args:
        ann_file: COCO annotation file; None takes the ground truth from the data samples.
        metric: 'bbox', 'segm' or both.
        max_dets: Detections an image and class that count, in every figure but AR@100. DSB2018,
            with up to 250 nuclei an image, needs 300.
        classwise: Also report every class.
        boundary: Also compute boundary AP.
        nsd_tolerance_px: Tolerance of NSD in pixels of the original image; None leaves it out.
        format_only: Only write the predictions to ``outfile_prefix``.
        outfile_prefix: Predictions are written to ``{outfile_prefix}.bbox.json`` and
            ``.segm.json``. None writes nothing.
        backend_args: How to read ``ann_file``.
        collect_device: 'cpu' or 'gpu', for distributed testing.
        prefix: Replaces ``coco`` in the keys.

    Raises:
        UserError: ``ann_file`` cannot be used at all.
        ValueError: A bad argument, or ``ann_file`` does not list the data set's classes in order.
    """
    default_prefix: str | None = 'coco'

    def __init__(self, ann_file: str | None = None,
                 metric: str | Sequence[str] = ('bbox', 'segm'), max_dets: int = 100,
                 classwise: bool = True, boundary: bool = False,
                 nsd_tolerance_px: float | None = 3, format_only: bool = False,
                 outfile_prefix: str | None = None, backend_args: dict | None = None,
                 collect_device: str = 'cpu', prefix: str | None = None) -> None:
        metrics = [metric] if isinstance(metric, str) else list(metric)
        for name in metrics:
            if name not in ('bbox', 'segm'):
                raise ValueError(f"metric must be 'bbox', 'segm' or both, got {name!r}")
        if max_dets < 1:
            raise ValueError(f'max_dets must be at least 1, got {max_dets}')
        if nsd_tolerance_px is not None and nsd_tolerance_px < 0:
            raise ValueError(f'nsd_tolerance_px must not be negative, got {nsd_tolerance_px}')
        if format_only and outfile_prefix is None:
            raise ValueError('format_only needs outfile_prefix: where the files shall go')
        with _quiet():
            super().__init__(
                ann_file=None, metric=metrics, classwise=classwise, format_only=format_only,
                outfile_prefix=outfile_prefix, backend_args=backend_args,
                collect_device=collect_device, prefix=prefix)
            if ann_file is not None:
                with get_local_path(ann_file, backend_args=backend_args) as path:
                    self._coco_api = load_checked(path, str(ann_file), training=False)
        self.ann_file = ann_file
        self.max_dets = max_dets
        self.boundary = boundary
        self.nsd_tolerance_px = nsd_tolerance_px

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Keep one batch's predictions (masks as RLE) and, without ``ann_file``, ground truths.

        Args:
            data_batch: Unused.
            data_samples: Each with ``img_id``, ``ori_shape`` and ``pred_instances``: ``bboxes``
                (n, 4) x1 y1 x2 y2 in pixels, ``scores`` and ``labels`` (n,), and for masks
                ``masks`` (n, height, width) bool at the original size or a list of RLEs;
                optionally ``mask_scores`` (n,).
        """
        encoded = []
        for sample in data_samples:
            pred = dict(sample['pred_instances'].items())
            masks = pred.get('masks')
            if isinstance(masks, torch.Tensor):
                masks = masks.detach().cpu().numpy()
            if isinstance(masks, np.ndarray):
                masks = encode_masks(masks)
            if masks is not None:
                pred['masks'] = masks
            encoded.append({**sample, 'pred_instances': pred})
        super().process(data_batch, encoded)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """All figures of the collected predictions, as listed above; prints the tables.

        Args:
            results: Pairs of ground truth and prediction made by ``process``.
        """
        logger: MMLogger = MMLogger.get_current_instance()
        gts, preds = zip(*results, strict=True)
        if self._coco_api is None:
            self._coco_api = self._ground_truth_from_samples(gts)
        if self.cat_ids is None:
            self.cat_ids = self._category_ids()
            complete_annotations(self._coco_api, self._source, 'segm' in self.metrics)
        if self.img_ids is None:
            self.img_ids = self._coco_api.get_img_ids()

        records = self._records(preds)
        if self.outfile_prefix is not None:
            for kind, entries in records.items():
                path = f'{self.outfile_prefix}.{kind}.json'
                write_json(path, entries)
                logger.info(f'Wrote {len(entries)} predictions to {path}')
        if self.format_only:
            return OrderedDict()

        missing = len(set(self.img_ids) - {pred['img_id'] for pred in preds})
        if missing:
            logger.warning(
                f'{missing} of {len(self.img_ids)} images of {self._source} were not predicted; '
                'their instances count as missed')
        figures: dict[str, float] = OrderedDict()
        for kind in self.metrics:
            if kind not in records:
                raise KeyError(f"metric '{kind}': the predictions hold no masks; use metric='bbox'")
            scores = score_instances(
                self._coco_api, records[kind], kind, cat_ids=self.cat_ids, img_ids=self.img_ids,
                max_dets=self.max_dets, boundary=self.boundary,
                nsd_tolerance=self.nsd_tolerance_px)
            figures.update(self._flatten(kind, scores))
            logger.info('\n' + score_table(kind, scores, self.max_dets, self.classwise))
        return figures

    @property
    def _source(self) -> str:
        return str(self.ann_file) if self.ann_file is not None else 'the data samples'

    def _ground_truth_from_samples(self, gts: Sequence[dict]) -> COCO:
        with tempfile.TemporaryDirectory() as folder, _quiet():
            coco = COCO(self.gt_to_coco_json(gts, os.path.join(folder, 'samples')))
        coco.dataset.setdefault('annotations', [])
        for ann in coco.anns.values():
            if ann.get('segmentation'):  # mmdet puts the box's area here, COCO means the mask's
                ann['area'] = float(mask_utils.area(coco.annToRLE(ann)))
        return coco

    def _category_ids(self) -> list[int]:
        """Category ids in the order of the labels, as the data set numbers them."""
        classes = list(self.dataset_meta['classes'])
        if self.dataset_meta.get('labels_by_name'):
            return category_ids(self._coco_api.cats, classes, self._source)
        # mmdet's CocoDataset numbers them by the order in the file.
        cat_ids = self._coco_api.get_cat_ids(cat_names=classes)
        names = [self._coco_api.cats[c]['name'] for c in cat_ids]
        if names != classes:
            raise ValueError(
                f"{self._source}: 'categories' lists {names}, but the classes are {classes}; "
                'labels would be mistaken for one another. List every class in this order, also '
                'those without instances')
        return cat_ids

    def _records(self, preds: Sequence[dict]) -> dict[str, list[dict]]:
        """COCO result records by kind; 'segm' only if there are masks."""
        records: dict[str, list[dict]] = {'bbox': []}
        if any('masks' in pred for pred in preds):
            records['segm'] = []
        for pred in preds:
            boxes = np.asarray(pred['bboxes'], dtype=float).reshape(-1, 4)
            boxes = np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]).tolist()
            scores = np.asarray(pred['scores'], dtype=float).tolist()
            mask_scores = np.asarray(pred.get('mask_scores', scores), dtype=float).tolist()
            for i, label in enumerate(np.asarray(pred['labels']).tolist()):
                common = dict(image_id=pred['img_id'], category_id=self.cat_ids[label])
                records['bbox'].append(dict(common, bbox=boxes[i], score=scores[i]))
                if 'segm' in records:
                    rle = dict(pred['masks'][i])
                    if isinstance(rle['counts'], bytes):
                        rle['counts'] = rle['counts'].decode()
                    records['segm'].append(
                        dict(common, bbox=boxes[i], score=mask_scores[i], segmentation=rle))
        return records

    def _flatten(self, kind: str, scores: InstanceScores) -> dict[str, float]:
        figures = {f'{kind}_{name}': value for name, value in scores.overall.items()}
        figures[f'{kind}_confidence'] = scores.confidence
        if self.classwise:
            for i, label in enumerate(scores.classes):
                for name, values in scores.per_class.items():
                    figures[f'{kind}_{label.replace(" ", "_")}_{name}'] = float(values[i])
        return figures


def score_table(kind: str, scores: InstanceScores, max_dets: int, classwise: bool = True) -> str:
    """The figures as text, a row for each class and one for their mean; '-' where undefined."""
    names = [name for name in scores.per_class if name not in _NOT_IN_TABLE]
    rows = []
    if classwise:
        for i, label in enumerate(scores.classes):
            rows.append([label, str(scores.targets[i]), str(scores.predictions[i]),
                         *(_cell(scores.per_class[name][i]) for name in names)])
    rows.append(['all', str(scores.targets.sum()), str(scores.predictions.sum()),
                 *(_cell(scores.overall[name]) for name in names)])
    table = plain(['class', 'truths', 'found', *names], rows)
    return (f'{kind}, maxDets {max_dets}, precision and recall at confidence '
            f'{scores.confidence:.3f}\n{table}')


def _cell(value: float) -> str:
    return '-' if value < 0 else f'{value:.3f}'


def _quiet() -> contextlib.redirect_stdout:
    """Swallow what pycocotools prints."""
    return contextlib.redirect_stdout(io.StringIO())
