"""CIoU: equal to mmdet's where that is defined, and defined where that is not."""
import pytest
import torch
from mmdet.models.losses.iou_loss import ciou_loss

from medseg.models.stable_ciou_loss import StableCIoULoss, stable_ciou_loss


def test_equals_mmdet():
    torch.manual_seed(0)
    corners = torch.rand(2, 50, 2, 2, dtype=torch.double).sort(dim=2).values * 60
    pred, target = corners.flatten(2)
    pred.requires_grad_()
    ours, theirs = (loss(pred, target, reduction='none', eps=1e-9)
                    for loss in (stable_ciou_loss, ciou_loss))
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-6)
    grads = [torch.autograd.grad(x.sum(), pred)[0] for x in (ours, theirs)]
    torch.testing.assert_close(*grads, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize('box', [[10., 12., 42., 36.], [0., 0., 640., 640.], [5., 5., 5., 5.]])
def test_perfect_and_empty_boxes_stay_finite(box):
    pred = torch.tensor([box], requires_grad=True)
    loss = StableCIoULoss()(pred, torch.tensor([box]))
    loss.backward()
    assert loss.isfinite() and pred.grad.isfinite().all()
    if box[2] > box[0]:
        assert loss.item() == pytest.approx(0, abs=1e-6)


def test_by_hand():
    # Two 2x2 squares, 1 apart in x: IoU = 2 / 6, centre distance 1, hull 3 x 2.
    loss = StableCIoULoss(loss_weight=2.0)(
        torch.tensor([[0., 0., 2., 2.]]), torch.tensor([[1., 0., 3., 2.]]))
    assert loss.item() == pytest.approx(2 * (1 - 1 / 3 + 1 / 13))
