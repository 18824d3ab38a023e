"""A hand-made image through assigner, losses and post-processing."""
import math

import numpy as np
import pytest
import torch
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.config import Config
from mmengine.structures import InstanceData

from medseg.models.box_mask_loss import BoxMaskLoss
from projects.baselines.yolov8_seg_head import YOLOv8SegHead

SIZE = 64
BOX = (10.0, 12.0, 42.0, 36.0)  # x1, y1, x2, y2; whole prototype pixels on y: 3 to 9


@pytest.fixture
def head():
    cfg = Config.fromfile('configs/_base_/models/yolov8n_seg.py').model
    return YOLOv8SegHead(num_classes=2, in_channels=(16, 16, 16), num_protos=2,
                         train_cfg=cfg.train_cfg, test_cfg=cfg.test_cfg)


def raw_maps(head, box=BOX, label=1, level=0, cell=(3, 3), logit=6.0):
    """Maps in which one location predicts ``box`` with certainty and all others nothing."""
    cls_scores, dists, coeffs = [], [], []
    for stride in head.strides:
        n = SIZE // stride
        cls_scores.append(torch.full((1, 2, n, n), -12.0))
        dists.append(torch.zeros(1, 4 * head.reg_max, n, n))
        coeffs.append(torch.zeros(1, 2, n, n))
    stride, (row, col) = head.strides[level], cell
    x, y = (col + 0.5) * stride, (row + 0.5) * stride
    cls_scores[level][0, label, row, col] = logit
    for side, distance in enumerate((x - box[0], y - box[1], box[2] - x, box[3] - y)):
        low, part = divmod(distance / stride, 1)
        bins = torch.full((head.reg_max,), -30.0)
        # Two neighbouring bins whose expectation is the distance.
        bins[int(low)] = math.log(1 - part) if part < 1 else -30
        if part > 0:
            bins[int(low) + 1] = math.log(part)
        dists[level][0, side * head.reg_max:(side + 1) * head.reg_max, row, col] = bins
    coeffs[level][0, 0, row, col] = 1.0
    protos = torch.full((1, 2, SIZE // 4, SIZE // 4), -8.0)
    # The object fills the upper half of its box.
    protos[0, 0, 3:6] = 8.0
    return cls_scores, dists, coeffs, protos


META = dict(img_shape=(SIZE, SIZE), ori_shape=(SIZE, SIZE), scale_factor=(1.0, 1.0),
            batch_input_shape=(SIZE, SIZE))


def test_prediction(head):
    result, = head.predict_by_feat(*raw_maps(head), batch_img_metas=[META])
    best = result[result.scores > 0.5]
    assert len(best) == 1
    torch.testing.assert_close(best.bboxes, torch.tensor([BOX]), atol=1e-3, rtol=0)
    assert best.labels.tolist() == [1]
    torch.testing.assert_close(best.scores, torch.tensor([6.0]).sigmoid())
    expected = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    expected[12:24, 10:42] = True
    assert torch.equal(best.masks[0], expected)


def test_prediction_at_the_original_size(head):
    meta = dict(META, ori_shape=(128, 96), img_shape=(64, 48), scale_factor=(0.5, 0.5))
    result, = head.predict_by_feat(*raw_maps(head), batch_img_metas=[meta])
    best = result[result.scores > 0.5]
    torch.testing.assert_close(best.bboxes, torch.tensor([BOX]) * 2, atol=1e-3, rtol=0)
    assert best.masks.shape == (1, 128, 96)
    rows, cols = np.nonzero(best.masks[0].numpy())
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (24, 47, 20, 83)


def test_nothing_found(head):
    maps = raw_maps(head, logit=-12.0)
    result, = head.predict_by_feat(*maps, batch_img_metas=[META])
    assert len(result) == 0 and result.masks.shape == (0, SIZE, SIZE)


def ground_truth(masks):
    return InstanceData(bboxes=torch.tensor([BOX]), labels=torch.tensor([1]), masks=masks)


def polygons():
    x1, y1, x2, y2 = BOX
    middle = (y1 + y2) / 2
    return PolygonMasks([[np.array([x1, y1, x2, y1, x2, middle, x1, middle])]], SIZE, SIZE)


def bitmaps():
    mask = np.zeros((1, SIZE, SIZE), np.uint8)
    mask[0, 12:24, 10:42] = 1
    return BitmapMasks(mask, SIZE, SIZE)


@pytest.mark.parametrize('masks', [polygons, bitmaps])
def test_perfect_prediction_costs_nothing(head, masks):
    losses = head.loss_by_feat(*raw_maps(head), [ground_truth(masks())], [META])
    # One positive of IoU 1, so its class target is 1: BCE(6, 1) = 0.00248. The other 167 of the
    # 2 x (64 + 16 + 4) class logits are at -12 with target 0. Weighted 0.5.
    expected = 0.5 * (math.log(1 + math.exp(-6)) + 167 * math.log(1 + math.exp(-12)))
    assert losses['loss_cls'].item() == pytest.approx(expected, rel=0.05)
    assert losses['loss_bbox'].item() == pytest.approx(0, abs=1e-3)
    assert losses['loss_mask'].item() == pytest.approx(7.5 * math.log(1 + math.exp(-8)), rel=0.05)


def test_assignment_prefers_the_aligned_location(head):
    maps = raw_maps(head)
    priors = head._priors(maps[0])
    scores = head._flatten(maps[0], 2)[0]
    boxes = head._decode_boxes(head._flatten(maps[1], 64).float(), priors)[0]
    target = head._assign(priors, scores, boxes, ground_truth(polygons()))
    best = target['scores'].max(0).values
    where = target['scores'][:, 1].argmax().item()
    assert where == 3 * 8 + 3 and best[0] == 0
    assert best[1].item() == pytest.approx(1.0, abs=1e-3)
    assert (target['gt_inds'] == 0).all() and (target['bboxes'] == torch.tensor(BOX)).all()


def test_shifted_box_costs_its_ciou(head):
    # Shifted by 8 px to the right: IoU = 24 / 40; centre distance 8, enclosing box 40 x 24.
    shifted = (BOX[0] + 8, BOX[1], BOX[2] + 8, BOX[3])
    maps = raw_maps(head, box=shifted, cell=(3, 3))
    losses = head.loss_by_feat(*maps, [ground_truth(polygons())], [META])
    iou = 24 / 40
    ciou = iou - 8 ** 2 / (40 ** 2 + 24 ** 2)
    # The sum of class targets is IoU 0.6, below the floor of 1 of the normaliser; the other
    # positives predict wide boxes of little alignment.
    assert losses['loss_bbox'].item() == pytest.approx(7.5 * (1 - ciou) * iou, rel=0.05)


def test_empty_ground_truth_has_finite_losses_and_gradients(head):
    feats = [torch.randn(2, 16, SIZE // s, SIZE // s, requires_grad=True) for s in head.strides]
    empty = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long),
                         masks=PolygonMasks([], SIZE, SIZE))
    losses = head.loss_by_feat(*head(feats), [empty, empty], [META, META])
    assert losses['loss_bbox'] == losses['loss_dfl'] == losses['loss_mask'] == 0
    assert losses['loss_cls'] > 0
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in head.parameters())


@pytest.mark.parametrize('chunk', [1, 50, 1 << 20])
def test_box_mask_loss_equals_dense(chunk):
    protos = torch.randn(2, 3, 12, 16, requires_grad=True)
    coeffs = torch.randn(5, 3, requires_grad=True)
    bboxes = torch.tensor([[0, 0, 16, 12], [2.3, 1.2, 9.9, 8.1], [5, 5, 5.4, 5.4],
                           [14, 10, 16, 12], [3, 0, 4, 12]])
    batch_inds, mask_inds = torch.tensor([0, 0, 1, 1, 1]), torch.tensor([0, 1, 2, 2, 3])
    gt_masks = (torch.rand(4, 12, 16) > 0.5).to(torch.uint8)
    loss = BoxMaskLoss(chunk=chunk)(protos, coeffs, bboxes, batch_inds, gt_masks, mask_inds)

    dense = 0
    ys, xs = torch.arange(12.0)[:, None], torch.arange(16.0)[None]
    for coeff, box, image, mask in zip(coeffs, bboxes, batch_inds, mask_inds, strict=True):
        logits = torch.einsum('p,phw->hw', coeff, protos[image])
        bce = torch.nn.functional.binary_cross_entropy_with_logits(
            logits, gt_masks[mask].float(), reduction='none')
        inside = (xs >= box[0]) & (xs < box[2]) & (ys >= box[1]) & (ys < box[3])
        area = ((box[2] - box[0]) * (box[3] - box[1])).clamp(min=1)
        dense = dense + (bce * inside).sum() / area
    torch.testing.assert_close(loss, dense)
    grads = torch.autograd.grad(loss, [protos, coeffs])
    expected = torch.autograd.grad(dense, [protos, coeffs])
    for ours, theirs in zip(grads, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_locations_are_exact_in_half_precision(head):
    maps = [torch.zeros(1, 1, 640 // s, 640 // s, dtype=torch.bfloat16) for s in head.strides]
    centres = head._priors(maps)[:, 0]
    assert centres[:80].tolist() == [8 * i + 4.0 for i in range(80)]
