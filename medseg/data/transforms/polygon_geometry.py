"""Move all polygons of an image at once."""
import numpy as np
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import PolygonMasks


def require_polygons(results: dict, who: str) -> PolygonMasks:
    """The polygon masks of a sample.

    Raises:
        TypeError: If the sample holds bitmaps; geometry on polygons is exact and much faster.
    """
    masks = results['gt_masks']
    if not isinstance(masks, PolygonMasks):
        raise TypeError(
            f'{who} moves polygons, but {results.get("img_path", "the sample")} has '
            f'{type(masks).__name__}: load them with LoadPolygonAnnotations')
    return masks


def transform_polygons(masks: PolygonMasks, matrix: np.ndarray, out_shape: tuple[int, int]
                       ) -> tuple[PolygonMasks, np.ndarray]:
    """Apply an affine map to polygons.

    Polygons may leave the image: rasterising them cuts them at its border.

    Args:
        masks (PolygonMasks): Polygons of N instances.
        matrix (np.ndarray): Affine map of (x, y, 1), (2, 3).
        out_shape (tuple[int, int]): Height and width of the output image.

    Returns:
        tuple: The moved PolygonMasks, and the boxes (N, 4), float32, of what lies in the image
        (each vertex clipped to it).
    """
    height, width = out_shape
    parts = [p for polygons in masks.masks for p in polygons]
    if not parts:
        return (PolygonMasks([[] for _ in masks.masks], height, width),
                np.zeros((len(masks), 4), np.float32))
    points = np.concatenate(parts).reshape(-1, 2) @ matrix[:, :2].T + matrix[:, 2]
    part_ends = np.cumsum([len(p) // 2 for p in parts])
    moved = iter(np.split(points.reshape(-1), 2 * part_ends[:-1]))
    new_masks = PolygonMasks([[next(moved) for _ in polygons] for polygons in masks.masks],
                             height, width)
    clipped = np.clip(points, 0, [width, height])
    boxes = np.zeros((len(masks), 4), np.float32)
    counts = np.array([sum(len(p) // 2 for p in polygons) for polygons in masks.masks])
    filled = counts > 0
    starts = np.cumsum(counts)[filled] - counts[filled]
    boxes[filled, :2] = np.minimum.reduceat(clipped, starts)
    boxes[filled, 2:] = np.maximum.reduceat(clipped, starts)
    return new_masks, boxes


def set_instances(results: dict, masks: PolygonMasks, boxes: np.ndarray, keep: np.ndarray) -> None:
    """Write the kept instances back into a sample.

    Args:
        results (dict): The sample; ``gt_bboxes_labels`` and ``gt_ignore_flags`` still have one
            entry for each of the N instances.
        masks (PolygonMasks): Masks of the N instances.
        boxes (np.ndarray): Their boxes, (N, 4).
        keep (np.ndarray): Which to keep, bool (N,).
    """
    results['gt_masks'] = masks[keep]
    results['gt_bboxes'] = HorizontalBoxes(boxes[keep])
    for key in ('gt_bboxes_labels', 'gt_ignore_flags'):
        results[key] = results[key][keep]
