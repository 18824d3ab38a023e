"""Assignment in YOLOv8's order on hand-made boxes, and against Ultralytics' positives."""
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.models.task_modules.assigners import TaskAlignedAssigner
from mmengine.structures import InstanceData

from medseg.models.inside_first_assigner import InsideFirstAssigner

# Locations of stride 8 on 32x32 pixels: centres 4, 12, 20, 28 on each axis, row by row.
CENTRES = torch.tensor([[x, y] for y in (4., 12., 20., 28.) for x in (4., 12., 20., 28.)])
GOLDEN = Path(__file__).parents[1] / 'data' / 'ultralytics_assignment.npz'


def assign(assigner, predicted, boxes, scores=None, labels=None, points=CENTRES):
    """Result for one class of score 1 unless told otherwise."""
    scores = torch.ones(len(predicted), 1) if scores is None else scores
    labels = torch.zeros(len(boxes), dtype=torch.long) if labels is None else labels
    return assigner.assign(
        InstanceData(priors=points.repeat(1, 2), bboxes=predicted, scores=scores),
        InstanceData(bboxes=boxes, labels=labels), None, alpha=0.5, beta=6.0)


def around(points, side):
    """Boxes of one size around points."""
    return torch.cat([points - side / 2, points + side / 2], 1)


def test_an_object_keeps_the_location_inside_it():
    # Every location but the object's own predicts the object perfectly; its own, a quarter of it.
    boxes = torch.tensor([[0., 0., 8., 8.]])
    predicted = boxes.repeat(16, 1)
    predicted[0] = torch.tensor([2., 2., 6., 6.])
    theirs = assign(TaskAlignedAssigner(topk=10), predicted, boxes)
    assert (theirs.gt_inds > 0).sum() == 0
    ours = assign(InsideFirstAssigner(topk=10), predicted, boxes)
    assert ours.gt_inds.tolist() == [1] + [0] * 15
    assert ours.labels.tolist() == [0] + [-1] * 15
    # Concentric, same shape: CIoU is IoU, 16 / 64; alignment 1 ** 0.5 * 0.25 ** 6.
    assert ours.max_overlaps[0].item() == pytest.approx(0.25, abs=1e-6)
    assert ours.assign_metrics[0].item() == pytest.approx(0.25 ** 6, rel=1e-4)


@pytest.mark.parametrize('box, min_side, expected', [
    ((0, 0, 16, 16), 0, [0, 1, 4, 5]),
    ((6, 6, 10, 10), 0, []),  # between the centres
    ((6, 6, 10, 10), 16, [0, 1, 4, 5]),  # counts as 0..16
    ((6, 2, 10, 22), 16, [0, 1, 4, 5, 8, 9]),  # only the short side is enlarged
    ((4, 4, 12, 12), 0, []),  # a centre on the border is outside
])
def test_candidates(box, min_side, expected):
    boxes = torch.tensor([box], dtype=torch.float)
    result = assign(InsideFirstAssigner(min_side=min_side), boxes.repeat(16, 1), boxes)
    assert result.gt_inds.nonzero()[:, 0].tolist() == expected


def test_the_best_candidates_are_taken():
    boxes = torch.tensor([[0., 0., 32., 16.]])  # eight candidates
    predicted = boxes.repeat(16, 1)
    predicted[:, 2] = torch.arange(16.) + 10  # wider is better, up to 32
    result = assign(InsideFirstAssigner(topk=3), predicted, boxes)
    assert result.gt_inds.nonzero()[:, 0].tolist() == [5, 6, 7]
    scores = torch.ones(16, 1)
    scores[7] = 1e-9  # its class score leaves the widest behind
    result = assign(InsideFirstAssigner(topk=3), predicted, boxes, scores)
    assert result.gt_inds.nonzero()[:, 0].tolist() == [4, 5, 6]


def test_candidates_without_alignment_are_no_positives():
    boxes = torch.tensor([[0., 0., 8., 8.], [16., 16., 32., 32.]])
    predicted = around(CENTRES + 100, 4)  # all far off, but one
    predicted[10] = boxes[1]
    result = assign(InsideFirstAssigner(), predicted, boxes)
    assert result.gt_inds.tolist() == [0] * 10 + [2] + [0] * 5


def test_the_better_overlapped_object_gets_a_contested_location():
    boxes = torch.tensor([[0., 0., 16., 16.], [0., 0., 8., 8.]])
    predicted = boxes[0].repeat(16, 1)
    predicted[0] = torch.tensor([0., 0., 9., 9.])
    labels = torch.tensor([1, 0])
    scores = torch.tensor([[1.0, 1.0]]).repeat(16, 1)
    result = assign(InsideFirstAssigner(), predicted, boxes, scores, labels)
    assert result.gt_inds.tolist() == [2, 1, 0, 0, 1, 1] + [0] * 10
    assert result.labels.tolist() == [0, 1, -1, -1, 1, 1] + [-1] * 10


@pytest.mark.parametrize('complete, expected', [(True, 1 / 3 - 1 / 13), (False, 1 / 3)])
def test_overlap(complete, expected):
    # Two 2x2 squares, 1 apart in x: IoU 2 / 6, centre distance 1, hull 3 x 2.
    points = torch.tensor([[1., 1.]])
    result = assign(InsideFirstAssigner(complete=complete), torch.tensor([[1., 0., 3., 2.]]),
                    torch.tensor([[0., 0., 2., 2.]]), points=points)
    assert result.max_overlaps.item() == pytest.approx(expected, abs=1e-6)


def test_no_objects():
    result = assign(InsideFirstAssigner(), around(CENTRES, 8), torch.zeros(0, 4))
    assert result.gt_inds.tolist() == [0] * 16 and result.labels.tolist() == [-1] * 16


def test_refuses_no_positives():
    with pytest.raises(ValueError, match='topk must be at least 1'):
        InsideFirstAssigner(topk=0)


def test_equals_ultralytics():
    """Two images of 64x64 with 12 and 7 objects of two classes.

    Written by tools/peers/export_ultralytics_reference.py --golden-assignment.
    """
    data = {key: torch.from_numpy(value) for key, value in np.load(GOLDEN).items()}
    assigner = InsideFirstAssigner(topk=10, min_side=16)
    for i, count in enumerate(data['counts'].tolist()):
        result = assign(assigner, data['predicted'][i], data['boxes'][i, :count],
                        data['scores'][i], data['labels'][i, :count], data['points'])
        ours, theirs = result.gt_inds > 0, data['positive'][i]
        # Among theirs are some of alignment 0, which weigh nothing.
        weighted = data['target'][i].amax(1) > 0
        assert weighted.sum() > 20 and torch.equal(ours & theirs, ours)
        assert torch.equal(ours & weighted, weighted)
        assert torch.equal(result.gt_inds[ours] - 1, data['owner'][i][ours])
        assert result.assign_metrics[weighted].min() > 0
