"""The heads of Table VIII."""
import pytest
import torch
from torch import nn
from variant_checks import assert_variant

from projects.baselines.yolov8_seg_head import YOLOv8SegHead
from projects.lmsfa.heads.efficient_head import EfficientHead
from projects.lmsfa.heads.ladh_head import LADHHead
from projects.lmsfa.heads.lqe_head import LQEHead, joint_logit

CONFIG = 'configs/lmsfa/heads/lmsfa-n_{}_1xb8-300e_peld.py'
# Of the whole model; YOLOv8n-seg has 3,264,380.
PARAMETERS = {'ladh': 2_513_500, 'lqe': 3_264_380 + 21 * 64 + 65, 'efficient': 4_093_052}
ARGS = dict(num_classes=3, in_channels=(16, 24, 32))


@pytest.mark.parametrize('variant', PARAMETERS)
def test_config(variant, build_model):
    assert_variant(build_model(CONFIG.format(variant)), PARAMETERS[variant])


@pytest.mark.parametrize('head_type', [LADHHead, LQEHead, EfficientHead])
def test_raw_maps(head_type):
    head = head_type(**ARGS)
    feats = [torch.randn(2, c, 16 // 2 ** i, 8 // 2 ** i) for i, c in enumerate((16, 24, 32))]
    cls_scores, bbox_dists, coeffs, protos = head(feats)
    for i, feat in enumerate(feats):
        assert cls_scores[i].shape == (2, 3, *feat.shape[2:])
        assert bbox_dists[i].shape == (2, 64, *feat.shape[2:])
        assert coeffs[i].shape == (2, 32, *feat.shape[2:])
    assert protos.shape == (2, 32, 32, 16)


@pytest.mark.parametrize('head_type', [LADHHead, EfficientHead])
def test_biases_start_at_the_prior(head_type):
    """A network that sees nothing predicts about five objects a level and boxes of equal bins."""
    head = head_type(**ARGS)
    head.init_weights()
    for name, parameter in head.named_parameters():
        if name.endswith('weight'):
            nn.init.zeros_(parameter)
    feats = [torch.randn(1, c, 8, 8) for c in (16, 24, 32)]
    cls_scores, bbox_dists, _, _ = head.eval()(feats)
    for scores, dists, stride in zip(cls_scores, bbox_dists, (8, 16, 32), strict=True):
        assert (3 * scores.exp() * (640 / stride) ** 2).allclose(torch.tensor(5.0))
        assert (dists == 1).all()


# ------------------------------------------------------------------ LADH
def test_ladh_branches_are_asymmetric():
    head = LADHHead(**ARGS)
    kernels = {name: [m.kernel_size[0] for m in getattr(head, name)[0].modules()
                      if isinstance(m, nn.Conv2d)]
               for name in ('cls_branches', 'box_branches', 'coeff_branches')}
    assert kernels == dict(cls_branches=[1, 1, 1], box_branches=[3, 1, 3, 1, 3, 1, 1, 1],
                           coeff_branches=[3, 1, 3, 1, 1, 1])
    assert all(m.groups == m.in_channels for m in head.box_branches.modules()
               if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3))


# ------------------------------------------------------------------ LQE
def test_joint_logit_is_the_product_of_probabilities():
    c, q = torch.meshgrid(*[torch.linspace(-12, 12, 49, dtype=torch.double)] * 2, indexing='ij')
    joint = joint_logit(c, q)
    torch.testing.assert_close(joint.sigmoid(), c.sigmoid() * q.sigmoid(), rtol=1e-8, atol=0)
    assert (joint <= torch.minimum(c, q)).all()


def test_joint_logit_of_extremes_is_finite():
    c, q = torch.meshgrid(*[torch.tensor([-200.0, 0.0, 200.0])] * 2, indexing='ij')
    c.requires_grad_()
    joint = joint_logit(c, q)
    assert joint.isfinite().all() and (joint <= c).all()
    grad, = torch.autograd.grad(joint.sum(), c)
    assert grad.isfinite().all()


def test_lqe_scores_never_exceed_class_scores():
    head, plain = LQEHead(**ARGS), YOLOv8SegHead(**ARGS)
    plain.load_state_dict({k: v for k, v in head.state_dict().items() if 'quality' not in k})
    for conv in head.quality_predictor[::2]:
        nn.init.normal_(conv.weight)
    head.eval(), plain.eval()
    feats = [torch.randn(2, c, 8, 8) for c in (16, 24, 32)]
    joint, dists, coeffs, protos = head(feats)
    classes, expected_dists, expected_coeffs, expected_protos = plain(feats)
    for ours, theirs, dist in zip(joint, classes, dists, strict=True):
        assert (ours.sigmoid() <= theirs.sigmoid()).all()
        quality = head.quality_logits(dist).sigmoid()
        torch.testing.assert_close(ours.sigmoid(), theirs.sigmoid() * quality)
    for ours, theirs in zip([*dists, *coeffs, protos],
                            [*expected_dists, *expected_coeffs, expected_protos], strict=True):
        assert torch.equal(ours, theirs)


def test_lqe_sees_the_four_largest_probabilities_and_their_mean():
    head = LQEHead(1, (16, 16, 16))
    seen = []
    head.quality_predictor.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    # One side certain of bin 3; the others undecided among 16 bins.
    dists = torch.zeros(1, 64, 1, 1)
    dists[0, 3] = 60.0
    head.quality_logits(dists)
    expected = torch.tensor([1, 0, 0, 0, 0.25] + 3 * [1 / 16] * 5)
    torch.testing.assert_close(seen[0].flatten(), expected)


def test_lqe_does_not_care_where_the_distribution_peaks():
    head = LQEHead(1, (16, 16, 16)).double()
    dists = torch.randn(1, 4, 16, 5, 5, dtype=torch.double)
    rolled = dists.roll(4, dims=2)
    torch.testing.assert_close(head.quality_logits(dists.flatten(1, 2)),
                               head.quality_logits(rolled.flatten(1, 2)))


def test_lqe_predictor_is_shared_by_the_levels():
    head = LQEHead(**ARGS)
    calls = []
    head.quality_predictor.register_forward_hook(lambda *_: calls.append(1))
    head([torch.randn(1, c, 8, 8) for c in (16, 24, 32)])
    assert len(calls) == 3
    assert sum('quality_predictor.0.weight' in n for n, _ in head.named_parameters()) == 1


def test_lqe_refuses_more_probabilities_than_bins():
    with pytest.raises(ValueError, match='top_k is 17, but a side has 16 bins'):
        LQEHead(top_k=17, **ARGS)


# ------------------------------------------------------------------ Efficient
def test_efficient_stem_is_shared_by_classes_and_boxes():
    head = EfficientHead(**ARGS)
    x = torch.randn(1, 16, 8, 8)
    cls_scores, dists, coeffs = head.forward_level(x, 0)
    stem = list(head.stems[0].parameters())
    for out in (cls_scores, dists):
        grads = torch.autograd.grad(out.sum(), stem, retain_graph=True)
        assert all(g.abs().sum() > 0 for g in grads)
    assert all(g is None for g in torch.autograd.grad(
        coeffs.sum(), stem, allow_unused=True, retain_graph=True))
