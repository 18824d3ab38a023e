"""From network outputs to instances: scores, NMS, masks at the original size."""
from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from .coco_results import coco_records
from .drawing import OPACITY, draw_instances
from .metadata import MASK_STRIDE
from .preprocess import Geometry
from .suppression import nms, shown_once

#: Columns of a mask that are resampled at a time. The matrix of a stretch is narrow, so that
#: large masks cost in proportion to their pixels.
STRETCH = 128
#: Pixels of every second row and column of prototypes by which two objects can be told to be one.
LEAST_SEEN = 16


@dataclass
class Instances:
    """What was found in an image, best first, in its own pixels.

    Attributes:
        boxes: (n, 4) float32, x1, y1, x2, y2.
        labels: (n,) int64, index into the classes.
        scores: (n,) float32, 0 to 1.
        masks: (n, H, W) bool.
        image: (H, W, 3) uint8, BGR, that they were found in; not copied.
        class_names, colors, category_ids: One per class, as :class:`.segmenter.Segmenter` has them.
    """

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    masks: np.ndarray
    image: np.ndarray | None = None
    class_names: Sequence[str] = ()
    colors: Sequence[Sequence[int]] = ()
    category_ids: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self.scores)

    def pictures(self) -> dict[str, np.ndarray]:
        """Pictures that are written beside the overlay, by folder; instances have none."""
        return {}

    @property
    def names(self) -> list[str]:
        """Class name of each instance."""
        return [self.class_names[label] for label in self.labels]

    def plot(self, opacity: float = OPACITY, labels: bool = True) -> np.ndarray:
        """The image with masks, outlines, names and scores over it: BGR, (H, W, 3) uint8."""
        return draw_instances(self.image, self, self.class_names, self.colors, opacity, labels)

    def to_coco(self, **where: Any) -> list[dict]:
        """COCO results, such as ``to_coco(image_id=3, file_name='a.png')``; see ``records.py``."""
        return coco_records(self.boxes, self.labels, self.scores, self.masks, self.class_names,
                            self.category_ids, **where)


def last_trusted(out_size: int, in_size: int, scale: float, stride: float = 1.0) -> int:
    """The last pixel of a map that shows the image and not the padding behind it.

    A prototype pixel whose centre lies in the padding belongs to it: what the network says there
    would eat into the rim of objects that end at the lower or right border of an image whose sides
    are no multiples of the prototypes' stride.

    Args:
        out_size (int): Image pixels along the axis.
        in_size (int): Pixels of the map, which covers the whole padded input.
        scale (float): Pixels of the map per image pixel.
        stride (float): Pixels of the map per prototype pixel; more than 1 where prototypes were
            enlarged already.

    Returns:
        int: Its index; resampling repeats it to the border.
    """
    # The tolerance keeps a centre right on the border out, whichever way the product was rounded.
    cells = math.ceil(out_size * scale / stride - 0.5 - 1e-3)
    if cells * stride >= in_size:
        return in_size - 1
    return max(math.floor((cells - 0.5) * stride - 0.5), 0)


@lru_cache(maxsize=16)
def interpolation_matrix(out_size: int, in_size: int, scale: float, last: int) -> np.ndarray:
    """Bilinear resampling of one axis; edges repeat.

    Args:
        out_size (int): Number of output pixels.
        in_size (int): Number of input pixels.
        scale (float): Input pixels per output pixel.
        last (int): Last input pixel that is read; see :func:`last_trusted`.

    Returns:
        np.ndarray: (out_size, in_size) float32, rows sum to 1.
    """
    centre = (np.arange(out_size, dtype=np.float32) + np.float32(0.5)) * np.float32(scale)
    centre = np.clip(centre - np.float32(0.5), 0, last)
    low = np.floor(centre).astype(np.int64)
    high = np.minimum(low + 1, in_size - 1)
    fraction = centre - low
    matrix = np.zeros((out_size, in_size), np.float32)
    rows = np.arange(out_size)
    matrix[rows, low] = 1 - fraction
    matrix[rows, high] += fraction
    matrix.setflags(write=False)
    return matrix


def _band(matrix: np.ndarray) -> tuple[int, int]:
    """First and last + 1 column that neighbouring rows of an interpolation matrix use."""
    return int(np.flatnonzero(matrix[0])[0]), int(np.flatnonzero(matrix[-1])[-1]) + 1


def connected(mask: np.ndarray, box: np.ndarray, inner: np.ndarray) -> None:
    """Outside an inner box, keep what hangs together with the mask inside it; in place.

    Args:
        mask (np.ndarray): (H, W) bool, empty outside ``box``.
        box (np.ndarray): (4,) outer box in pixels.
        inner (np.ndarray): (4,) inner box in pixels.
    """
    height, width = mask.shape
    x1, y1 = np.maximum(np.floor(box[:2]).astype(int), 0)
    x2, y2 = np.minimum(np.ceil(box[2:]).astype(int), (width, height))
    window = mask[y1:y2, x1:x2]
    if not window.size:
        return
    u1, v1 = np.maximum(np.ceil(inner[:2] - 0.5).astype(int) - (x1, y1), 0).tolist()
    u2, v2 = np.minimum(np.ceil(inner[2:] - 0.5).astype(int) - (x1, y1),
                        window.shape[::-1]).tolist()
    if u1 >= u2 or v1 >= v2:
        window[:] = False
        return
    around = [window[:v1], window[v2:], window[v1:v2, :u1], window[v1:v2, u2:]]
    if not any(part.any() for part in around):
        return
    labels = cv2.connectedComponents(np.ascontiguousarray(window).view(np.uint8),
                                     connectivity=4)[1]
    # What reaches beyond the inner box crosses its rim, so its rim tells all that stays.
    stays = np.zeros(labels.max() + 1, bool)
    for rim in (labels[v1, u1:u2], labels[v2 - 1, u1:u2], labels[v1:v2, u1],
                labels[v1:v2, u2 - 1]):
        stays[rim] = True
    stays[0] = False
    for part, numbers in zip(around, (labels[:v1], labels[v2:], labels[v1:v2, :u1],
                                      labels[v1:v2, u2:]), strict=True):
        part &= stays[numbers]


def resample_masks(values: np.ndarray, boxes: np.ndarray | None, size: tuple[int, int],
                   scale: tuple[float, float], cut: float,
                   stride: tuple[float, float] | None = (1.0, 1.0)) -> np.ndarray:
    """Threshold maps at the original size, only inside the boxes.

    Args:
        values (np.ndarray): (n, h, w) float32, logits or probabilities, covering the whole input.
        boxes (np.ndarray, optional): (n, 4) in original pixels; None for the whole image.
        size (tuple[int, int]): Original height and width.
        scale (tuple[float, float]): Pixels of ``values`` per original pixel, as (x, y).
        cut (float): A pixel belongs to the mask above this value.
        stride (tuple[float, float], optional): Pixels of ``values`` per prototype pixel, as
            (x, y), for :func:`last_trusted`; None where masks were not made of prototypes.

    Returns:
        np.ndarray: (n, *size) bool.
    """
    height, width = size
    masks = np.zeros((len(values), height, width), bool)
    if not len(values):
        return masks
    to_x, to_y = (
        interpolation_matrix(out, size, scale[axis], size - 1 if stride is None else
                             last_trusted(out, size, scale[axis], stride[axis]))
        for axis, (out, size) in enumerate(((width, values.shape[2]), (height, values.shape[1]))))
    corners = np.tile([0, 0, width, height], (len(values), 1)) if boxes is None else \
        np.maximum(np.ceil(boxes - np.float32(0.5)), 0).astype(np.int64)
    for i, (x1, y1, x2, y2) in enumerate(corners.tolist()):
        # A pixel belongs to the box when its centre does.
        x2, y2 = min(x2, width), min(y2, height)
        if x1 >= x2 or y1 >= y2:
            continue
        rows = to_y[y1:y2]
        top, bottom = _band(rows)
        left, right = _band(to_x[x1:x2])
        tall = rows[:, top:bottom] @ values[i, top:bottom, left:right]
        for start in range(x1, x2, STRETCH):
            cols = to_x[start:min(start + STRETCH, x2)]
            first, last = _band(cols)
            part = tall[:, first - left:last - left] @ cols[:, first:last].T
            np.greater(part, cut, out=masks[i, y1:y2, start:start + len(cols)])
    return masks


class Postprocessor:
    """Instances from the outputs of an export.

    Args:
        metadata (Mapping): See :func:`medseg.runtime.metadata.describe`.
        score_thr (float): Instances need a higher score.

    Attributes:
        beyond_box (float): How far masks that are cut at their boxes may go on beyond them, as a
            part of the boxes' sides; only what hangs together with the mask inside.
        twice (float): Of two objects in one place the weaker goes, see
            :attr:`.cleanup.CleanUp.twice`. Where it is plain already on the prototypes' grid, no
            mask at the image's size is made; raw exports alone.
    """

    def __init__(self, metadata: Mapping[str, Any], score_thr: float) -> None:
        self.metadata = metadata
        self.beyond_box, self.twice = 0.0, 1.0
        self.score_thr = score_thr
        threshold = metadata['mask_thr']
        self._logits = metadata.get('mask_resample', 'logits') == 'logits'
        self._cut = math.log(threshold / (1 - threshold)) if self._logits else threshold

    def __call__(self, outputs: Mapping[str, np.ndarray], geometry: Geometry) -> Instances:
        """Instances of the one image of a batch.

        Args:
            outputs (Mapping[str, np.ndarray]): Outputs by name, as the metadata's kind has them.
            geometry (Geometry): Of the image.
        """
        return self.begin(outputs, geometry)()

    def begin(self, outputs: Mapping[str, np.ndarray], geometry: Geometry
              ) -> Callable[[], Instances]:
        """What needs the outputs at once; returns what makes the instances.

        That may be called later and in another thread, when the outputs hold another image's
        values and the settings are others.
        """
        maps = {name: values[0] for name, values in outputs.items()}
        return self._raw(maps, geometry) if self.metadata['kind'] == 'raw' \
            else self._end2end(maps, geometry)

    def _to_original(self, boxes: np.ndarray, geometry: Geometry) -> np.ndarray:
        boxes = boxes / np.tile(np.float32(geometry.factor), 2)
        height, width = geometry.original
        return np.clip(boxes, 0, np.float32([width, height, width, height]))

    def _scale(self, shape: tuple[int, ...], geometry: Geometry) -> tuple[float, float]:
        """Pixels of a map of that (..., h, w) per original pixel, as (x, y)."""
        return (shape[-1] / geometry.padded[1] * geometry.factor[0],
                shape[-2] / geometry.padded[0] * geometry.factor[1])

    def _stride(self, shape: tuple[int, ...], geometry: Geometry) -> tuple[float, float] | None:
        """Pixels of a map of that (..., h, w) per prototype pixel, as (x, y); None without."""
        if not self._logits:
            return None
        stride = self.metadata.get('mask_stride', MASK_STRIDE)
        return (shape[-1] * stride / geometry.padded[1], shape[-2] * stride / geometry.padded[0])

    def _masks(self, values: np.ndarray, boxes: np.ndarray | None, geometry: Geometry,
               beyond_box: float) -> np.ndarray:
        """Masks (n, H, W) bool at the original size from maps (n, h, w)."""
        scale, stride = self._scale(values.shape, geometry), self._stride(values.shape, geometry)
        if boxes is None or not beyond_box:
            return resample_masks(values, boxes, geometry.original, scale, self._cut, stride)
        reach = beyond_box * np.tile(boxes[:, 2:] - boxes[:, :2], 2)
        wide = boxes + reach * np.float32([-1, -1, 1, 1])
        masks = resample_masks(values, wide, geometry.original, scale, self._cut, stride)
        for mask, outer, inner in zip(masks, wide, boxes, strict=True):
            connected(mask, outer, inner)
        return masks

    def _raw(self, maps: Mapping[str, np.ndarray], geometry: Geometry) -> Callable[[], Instances]:
        """As the PyTorch head does it: pairs of location and class, NMS, masks of the kept."""
        places, labels = np.nonzero(maps['scores'] > self.score_thr)
        scores = maps['scores'][places, labels]
        order = np.argsort(-scores, kind='stable')
        if self.metadata['nms_pre'] > 0:
            order = order[:self.metadata['nms_pre']]
        places, labels, scores = places[order], labels[order], scores[order]
        height, width = geometry.resized
        boxes = np.clip(maps['boxes'][places], 0, np.float32([width, height, width, height]))
        kept = nms(boxes, labels, self.metadata['nms_iou'], self.metadata['max_per_img'])
        last = self.metadata.get('prototypes_last', False)
        if self.twice < 1 and len(kept) > 1:
            kept = kept[self._once(maps, places[kept], boxes[kept], last, geometry)]
        places = places[kept]
        boxes = self._to_original(boxes[kept], geometry)
        logits = mask_logits(maps['coefficients'][places], maps['prototypes'], last)
        beyond_box = self.beyond_box

        def finish() -> Instances:
            masks = self._masks(logits, boxes, geometry, beyond_box)
            return Instances(boxes, labels[kept], scores[kept], masks)

        return finish

    def _once(self, maps: Mapping[str, np.ndarray], places: np.ndarray, boxes: np.ndarray,
              last: bool, geometry: Geometry) -> np.ndarray:
        """Which of the objects, best first, stay when each place is shown once: indices.

        Every second prototype pixel of every second row tells; smaller objects than
        :data:`LEAST_SEEN` of them, and pairs that are near the limit, stay for
        :func:`.cleanup.clean`, which looks closer.
        """
        prototypes = maps['prototypes']
        thin = prototypes[::2, ::2] if last else np.ascontiguousarray(prototypes[:, ::2, ::2])
        logits = mask_logits(maps['coefficients'][places], thin, last)
        height, width = logits.shape[1:]
        x, y = ((np.arange(n, dtype=np.float32) + 0.25) * (side / n) for n, side in
                ((width, geometry.padded[1]), (height, geometry.padded[0])))
        inside = ((x >= boxes[:, :1]) & (x < boxes[:, 2:3]))[:, None] \
            & ((y >= boxes[:, 1:2]) & (y < boxes[:, 3:]))[:, :, None]
        seen = ((logits > self._cut) & inside).reshape(len(places), -1).astype(np.float32)
        return shown_once(seen, (1 + self.twice) / 2, LEAST_SEEN)

    def _end2end(self, maps: Mapping[str, np.ndarray], geometry: Geometry
                 ) -> Callable[[], Instances]:
        """Rows above the threshold; masks resampled from the input to the image."""
        dets = maps['dets']
        rows = np.flatnonzero(dets[:, 4] > max(self.score_thr, 0))
        rows = rows[np.argsort(-dets[rows, 4], kind='stable')]
        dets = dets[rows]
        boxes, labels = self._to_original(dets[:, :4], geometry), maps['labels'][rows]
        values = maps['masks'][rows].astype(np.float32)
        if self._logits:
            values = np.clip(values, 1e-7, 1 - 1e-7)
            values = np.log(values / (1 - values))
        crop, beyond_box = self.metadata.get('crop_masks', True), self.beyond_box

        def finish() -> Instances:
            masks = self._masks(values, boxes if crop else None, geometry, beyond_box)
            # Models that predict masks alone, such as SOLOv2, give no boxes.
            return Instances(boxes if dets[:, :4].any() else boxes_of(masks),
                             labels.astype(np.int64), dets[:, 4].copy(), masks)

        return finish


def mask_logits(coefficients: np.ndarray, prototypes: np.ndarray, last: bool) -> np.ndarray:
    """Logits (n, h, w) of masks.

    Args:
        coefficients (np.ndarray): (n, P).
        prototypes (np.ndarray): (P, h, w); with ``last`` (h, w, P), which is read as it lies.
        last (bool): See there.
    """
    if last:
        flat, sides = prototypes.reshape(-1, prototypes.shape[-1]).T, prototypes.shape[:-1]
    else:
        flat, sides = prototypes.reshape(len(prototypes), -1), prototypes.shape[1:]
    return (coefficients @ flat).reshape(-1, *sides)


def boxes_of(masks: np.ndarray) -> np.ndarray:
    """Tight boxes (n, 4) float32 around masks (n, H, W); zeros around empty ones."""
    boxes = np.zeros((len(masks), 4), np.float32)
    for box, mask in zip(boxes, masks, strict=True):
        columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
        if len(rows):
            box[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes
