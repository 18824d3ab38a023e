"""Task-aligned assignment in YOLOv8's order: inside the object first, then the best."""
import torch
from mmdet.models.task_modules.assigners import AssignResult, BaseAssigner
from mmdet.registry import TASK_UTILS
from mmengine.structures import InstanceData
from torch import Tensor

from .stable_ciou_loss import complete_iou


@TASK_UTILS.register_module()
class InsideFirstAssigner(BaseAssigner):
    r"""The ``topk`` best aligned locations among those inside each object.

    Alignment is :math:`s^\alpha u^\beta` (Feng et al., TOOD, ICCV 2021), with s the score of the
    object's class and u the overlap of the predicted box with the object's.

    mmdet's ``TaskAlignedAssigner`` takes the best locations of the whole image and then drops
    those outside the object. Where boxes of neighbours overlap an object better than its own
    locations do, as among small dense ones early in a training, nothing is left of it. YOLOv8
    looks inside the object first, so that every object with a location inside has a positive:

    1. A location is a candidate of an object when it lies within its box. Sides shorter than
       ``min_side`` count as that long (about the same centre).
    2. Of an object's candidates the ``topk`` with the best alignment are positive, those with
       none at all left out. (YOLOv8 fills up with ties at 0 from anywhere in the image, of which
       those that happen to lie inside count, with no weight but in the mask loss.)
    3. A location that several objects claim goes to the one, of all that hold it, that its
       predicted box overlaps best.

    Args:
        topk (int): Positives per object, at most.
        min_side (float): Shortest side of the area that candidates come from, in input pixels;
            0 for the box itself. Ultralytics takes its middle stride, 16, since release 8.4.
        complete (bool): Overlap by CIoU (negative values count as 0), as YOLOv8 does; IoU
            otherwise.
    """

    def __init__(self, topk: int = 10, min_side: float = 0.0, complete: bool = True) -> None:
        if topk < 1:
            raise ValueError(f'InsideFirstAssigner: topk must be at least 1, got {topk}')
        self.topk = topk
        self.min_side = min_side
        self.complete = complete

    @torch.no_grad()
    def assign(self, pred_instances: InstanceData, gt_instances: InstanceData,
               gt_instances_ignore: InstanceData | None = None, alpha: float = 0.5,
               beta: float = 6.0) -> AssignResult:
        """Assign the locations of one image.

        Args:
            pred_instances (InstanceData): ``priors`` (L, 2 or more), of which the first two
                columns are the locations in input pixels, ``bboxes`` (L, 4) and ``scores``
                (L, num_classes), probabilities.
            gt_instances (InstanceData): ``bboxes`` (n, 4) and ``labels`` (n,).
            gt_instances_ignore: Not used; mmdet's interface.
            alpha, beta (float): Exponents of score and overlap.

        Returns:
            AssignResult: ``gt_inds`` (L,), 0 for background and 1-based else, ``max_overlaps``
            (L,), ``labels`` (L,), -1 for background, and ``assign_metrics`` (L,), the alignment.
        """
        boxes, labels = gt_instances.bboxes, gt_instances.labels
        count, locations = len(boxes), len(pred_instances.bboxes)
        owner = labels.new_zeros(locations)
        classes = labels.new_full((locations,), -1)
        overlap = boxes.new_zeros(locations)
        alignment = boxes.new_zeros(locations)
        if count and locations:
            inside = self._inside(pred_instances.priors[:, :2], boxes)
            # Only pairs of an object and a location inside it are worth computing.
            which, where = inside.nonzero(as_tuple=True)
            pairs = self._overlaps(pred_instances.bboxes[where], boxes[which])
            overlaps = boxes.new_zeros(count, locations)
            overlaps[which, where] = pairs
            aligned = torch.zeros_like(overlaps)
            aligned[which, where] = (
                pred_instances.scores[where, labels[which]].to(pairs) ** alpha * pairs ** beta)
            best, chosen = aligned.topk(min(self.topk, locations), dim=1)
            positive = torch.zeros_like(inside).scatter_(1, chosen, best > 0)

            claims = positive.sum(0)
            holder = torch.where(claims > 1, overlaps.argmax(0), positive.int().argmax(0))
            taken = (claims > 0).nonzero()[:, 0]
            holder = holder[taken]
            owner[taken] = holder + 1
            classes[taken] = labels[holder]
            overlap[taken] = overlaps[holder, taken]
            alignment[taken] = aligned[holder, taken]
        result = AssignResult(count, owner, overlap, labels=classes)
        result.assign_metrics = alignment
        return result

    def _inside(self, points: Tensor, boxes: Tensor) -> Tensor:
        """Which points (L, 2) are candidates of which boxes (n, 4): bool, (n, L)."""
        centre = (boxes[:, :2] + boxes[:, 2:]) / 2
        half = (boxes[:, 2:] - boxes[:, :2]).clamp(min=self.min_side) / 2
        return ((points[None] - centre[:, None]).abs() < half[:, None]).all(-1)

    def _overlaps(self, predicted: Tensor, boxes: Tensor) -> Tensor:
        """Overlaps of paired boxes (N, 4), (N,), in 0..1."""
        ciou, iou = complete_iou(predicted, boxes)
        return (ciou if self.complete else iou).clamp(min=0)
