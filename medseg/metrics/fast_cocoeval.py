"""COCO evaluation with pycocotools' results in a fraction of its time.

pycocotools matches detections in a Python loop over area ranges, IoU thresholds, detections and
ground truths; an image with 300 detections and 200 nuclei takes seconds. Here one detection is
matched for all area ranges and IoU thresholds at once, and only against the ground truths that it
overlaps enough to matter. Every figure equals pycocotools' (a test compares them).
"""
from collections import defaultdict

import numpy as np
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from medseg.data.convert.records import RecordError
from medseg.data.outlines import encoded

from .matching import ClassMatches, class_matches

#: How far a match with a counted ground truth outranks one with an ignored ground truth. IoUs are
#: at most 1, so any value above 1 keeps the two apart.
_COUNTED_BONUS = 2.0


def results_to_coco(coco_gt: COCO, records: list[dict], iou_type: str) -> COCO:
    """Index predictions as a COCO object, as ``COCO.loadRes`` does, but accept an empty list.

    Args:
        coco_gt: The ground truth; it gives the known images and their sizes.
        records: COCO result records: ``image_id``, ``category_id``, ``score`` (0 to 1) and
            ``bbox`` (x, y, w, h in pixels) for 'bbox', or ``segmentation`` (an RLE at the
            image's original size) for 'segm'. They are not modified.
        iou_type: 'bbox' or 'segm'; areas are box or mask areas accordingly.

    Raises:
        ValueError: A record names an unknown image, or its mask has another size than the image
            or is no RLE.
    """
    annotations = []
    for i, record in enumerate(records):
        image = coco_gt.imgs.get(record['image_id'])
        if image is None:
            raise ValueError(
                f'prediction {i}: image id {record["image_id"]!r} is not in the ground truth; '
                'evaluate with the annotation file the predictions were made from')
        ann = dict(
            id=i + 1, image_id=record['image_id'], category_id=record['category_id'],
            score=float(record['score']), iscrowd=0)
        if iou_type == 'segm':
            rle = record['segmentation']
            if 'height' in image and list(rle['size']) != [image['height'], image['width']]:
                raise ValueError(
                    f'prediction {i}: its mask is {rle["size"][0]}x{rle["size"][1]} (height x '
                    f'width), but image {image.get("file_name") or image["id"]!r} is '
                    f'{image["height"]}x{image["width"]}; predict masks at the original size '
                    '(rescale=True)')
            if 'height' in image:
                try:
                    rle = encoded(rle, image['height'], image['width'])
                except RecordError as error:
                    raise ValueError(f'prediction {i}: {error.kind}: {error}') from error
            ann['segmentation'] = rle
            # One at a time: pycocotools' area() of a list overflows beyond 255 masks on NumPy 2.
            ann['area'] = float(mask_utils.area(rle))
        else:
            ann['bbox'] = record['bbox']
            ann['area'] = record['bbox'][2] * record['bbox'][3]
        annotations.append(ann)

    coco_dt = COCO()
    coco_dt.dataset = dict(
        images=coco_gt.dataset['images'], categories=coco_gt.dataset['categories'],
        annotations=annotations)
    # COCO.createIndex() does this and prints; the rest of its index is not needed.
    coco_dt.imgs = coco_gt.imgs
    coco_dt.cats = coco_gt.cats
    coco_dt.anns = {ann['id']: ann for ann in annotations}
    coco_dt.imgToAnns = defaultdict(list)
    coco_dt.catToImgs = defaultdict(list)
    for ann in annotations:
        coco_dt.imgToAnns[ann['image_id']].append(ann)
        coco_dt.catToImgs[ann['category_id']].append(ann['image_id'])
    return coco_dt


class FastCOCOeval(COCOeval):
    """Drop-in ``COCOeval`` for 'bbox' and 'segm', silent and vectorised.

    Two differences from pycocotools, both of representation: ``dtMatches`` and ``gtMatches`` hold
    the position (from 1) of the partner in the image's ``gtIds`` or ``dtIds`` instead of its id, so
    that an annotation with id 0 counts as any other; and ``gtIds`` keep the order of the file.
    """

    def evaluate(self) -> None:
        """Match every image and class; fills ``self.ious`` and ``self.evalImgs``."""
        p = self.params
        if not p.useCats or p.iouType not in ('bbox', 'segm'):
            raise ValueError(
                f'FastCOCOeval evaluates boxes and masks by class, not iouType {p.iouType!r} '
                f'with useCats {p.useCats}')
        p.imgIds = list(np.unique(p.imgIds))
        p.maxDets = sorted(p.maxDets)
        self._prepare()
        per_class = []
        for cat_id in p.catIds:
            per_image = []
            for img_id in p.imgIds:
                self.ious[img_id, cat_id] = self.computeIoU(img_id, cat_id)
                per_image.append(self._match(img_id, cat_id))
            per_class.append(per_image)
        self.evalImgs = [
            image[area] for images in per_class for area in range(len(p.areaRng))
            for image in images
        ]

    def _match(self, img_id: int, cat_id: int) -> list[dict | None]:
        """Match one image and class; returns one record for each area range (None if empty).

        COCO's rule: detections choose in order of falling score; each takes, among the ground
        truths still free (a crowd always is) with IoU at or above the threshold, the one with the
        highest IoU, counted ground truths before ignored ones.
        """
        p = self.params
        gts, dts = self._gts[img_id, cat_id], self._dts[img_id, cat_id]
        if not gts and not dts:
            return [None] * len(p.areaRng)
        order = np.argsort([-dt['score'] for dt in dts], kind='mergesort')[:p.maxDets[-1]]
        dts = [dts[i] for i in order]
        low, high = np.array(p.areaRng, dtype=float).T
        crowd = np.array([bool(gt['iscrowd']) for gt in gts], dtype=bool)
        gt_ignore = self._outside(gts, low, high)
        gt_ignore |= np.array([bool(gt['ignore']) for gt in gts], dtype=bool)

        shape = (len(p.areaRng), len(p.iouThrs))
        dt_match = np.zeros((*shape, len(dts)), dtype=np.int64)
        gt_match = np.zeros((*shape, len(gts)), dtype=np.int64)
        dt_ignore = np.zeros((*shape, len(dts)), dtype=bool)
        thresholds = np.minimum(np.asarray(p.iouThrs), 1 - 1e-10)
        ious = np.asarray(self.ious[img_id, cat_id]).reshape(len(dts), len(gts))
        near = ious >= thresholds.min()
        for d in np.flatnonzero(near.any(axis=1)):
            columns = np.flatnonzero(near[d])
            iou = ious[d, columns]
            free = (gt_match[:, :, columns] == 0) | crowd[columns]
            eligible = free & (iou >= thresholds[:, None])
            rank = np.where(eligible, iou + _COUNTED_BONUS * ~gt_ignore[:, None, columns], -1)
            # Of equal ranks the last wins, as in pycocotools.
            best = columns.size - 1 - rank[..., ::-1].argmax(axis=2)
            area, threshold = np.nonzero(eligible.any(axis=2))
            partner = columns[best[area, threshold]]
            dt_match[area, threshold, d] = partner + 1
            dt_ignore[area, threshold, d] = gt_ignore[area, partner]
            gt_match[area, threshold, partner] = d + 1
        dt_ignore |= (dt_match == 0) & self._outside(dts, low, high)[:, None]

        scores = [dt['score'] for dt in dts]
        return [
            dict(image_id=img_id, category_id=cat_id, aRng=p.areaRng[a], maxDet=p.maxDets[-1],
                 dtIds=[dt['id'] for dt in dts], gtIds=[gt['id'] for gt in gts],
                 dtMatches=dt_match[a], gtMatches=gt_match[a], dtScores=scores,
                 gtIgnore=gt_ignore[a], dtIgnore=dt_ignore[a]) for a in range(shape[0])
        ]

    @staticmethod
    def _outside(anns: list[dict], low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Which annotations lie outside each area range: bool, (ranges, annotations)."""
        area = np.array([ann['area'] for ann in anns], dtype=float)
        return (area < low[:, None]) | (area > high[:, None])

    def class_records(self, class_index: int, area_index: int = 0) -> list[dict]:
        """The matching records of one class and area range, images without any left out."""
        images = len(self.params.imgIds)
        start = (class_index * len(self.params.areaRng) + area_index) * images
        return [r for r in self.evalImgs[start:start + images] if r is not None]

    def matches(self, class_index: int, area_index: int = 0, max_dets: int | None = None
                ) -> ClassMatches:
        """What was matched of one class and area range, images by their place in ``imgIds``.

        Args:
            class_index (int): Position in ``params.catIds``.
            area_index (int): Position in ``params.areaRng``.
            max_dets (int, optional): Detections per image that count; default: the most matched.
        """
        p = self.params
        return class_matches(self.class_records(class_index, area_index), p.imgIds,
                             len(p.iouThrs), p.maxDets[-1] if max_dets is None else max_dets)

    def accumulate(self, p=None) -> None:
        """Precision and recall tables, as pycocotools lays them out in ``self.eval``.

        ``precision``: (thresholds, 101 recalls, classes, area ranges, maxDets), ``recall``:
        (thresholds, classes, area ranges, maxDets); -1 where a class has no ground truth.
        """
        p = self.params if p is None else p
        sizes = (len(p.catIds), len(p.areaRng), len(p.maxDets))
        precision = -np.ones((len(p.iouThrs), len(p.recThrs), *sizes))
        recall = -np.ones((len(p.iouThrs), *sizes))
        for k, a, m in np.ndindex(*sizes):
            found = self.matches(k, a, p.maxDets[m])
            if found.targets.any():
                precision[:, :, k, a, m] = found.precision_at(np.asarray(p.recThrs))
                reached = found.precision_recall()[1]
                recall[:, k, a, m] = reached[:, -1] if reached.size else 0
        self.eval = dict(
            params=p, counts=[*precision.shape], precision=precision, recall=recall)
