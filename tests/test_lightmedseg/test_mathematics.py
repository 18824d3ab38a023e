"""LightMedSeg's modules do what their equations say."""
import pytest
import torch
from torch.nn import functional

from projects.lightmedseg import (
    AdaptiveDecoderStage,
    AnchorFiLM,
    AnchorPositionBias,
    GhostConv3D,
    GlobalAnchorDetector,
    LightMedSegLoss,
    LightMedSegNet,
    LocalStructuralPrior,
    SkipRouter,
    TextureRoutedStage,
)
from projects.lightmedseg.loss import boundary_band, class_weights


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_ghost_maps_are_a_depthwise_convolution_of_the_primary_ones():
    conv = GhostConv3D(3, 8, stride=2)
    x = torch.randn(2, 3, 7, 8, 9)
    primary = functional.gelu(functional.conv3d(x, conv.primary.weight, stride=2, padding=1))
    ghost = torch.stack([functional.gelu(functional.conv3d(
        primary[:, i:i + 1], conv.ghost.weight[i:i + 1], padding=1))[:, 0] for i in range(4)], 1)
    expected = functional.group_norm(torch.cat([primary, ghost], 1), 4)
    torch.testing.assert_close(conv(x), expected)


def test_anchors_lie_in_the_volume_whatever_the_weights():
    detector = GlobalAnchorDetector(8)
    torch.nn.init.normal_(detector.out.weight, std=30)
    anchors = detector(torch.randn(3, 8, 10, 12, 14) * 10)
    assert anchors.shape == (3, 8, 3)
    assert anchors.min() >= 0 and anchors.max() <= 1


def test_anchors_can_start_at_the_octants():
    detector = GlobalAnchorDetector(8, start_at_octants=True)
    torch.nn.init.zeros_(detector.out.weight)
    anchors = detector(torch.randn(1, 8, 8, 8, 8))[0]
    assert sorted(map(tuple, anchors.round(decimals=4).tolist()))[0] == (0.25, 0.25, 0.25)
    assert len({tuple(a) for a in anchors.round(decimals=4).tolist()}) == 8


def test_film_with_zero_projections_is_the_identity():
    film, x = AnchorFiLM(6, 8), torch.randn(2, 6, 3, 4, 5)
    assert torch.equal(film(x, torch.rand(2, 8, 3)), x)
    film.gamma.bias.data.fill_(1.0)
    film.beta.bias.data.fill_(3.0)
    torch.testing.assert_close(film(x, torch.rand(2, 8, 3)), 2 * x + 3)


def test_mixing_weights_sum_to_one_and_stay_with_their_item():
    prior, x = LocalStructuralPrior(8), torch.randn(2, 8, 6, 6, 6)
    alpha = prior.gate(x)
    torch.testing.assert_close(alpha.sum(1), torch.ones(2, 6, 6, 6))
    texture, mixed = prior(x)
    assert texture.shape == (2, 1, 6, 6, 6) and 0 <= texture.min() <= texture.max() <= 1
    for i in range(2):
        single = prior(x[i:i + 1])
        torch.testing.assert_close(texture[i:i + 1], single[0])
        torch.testing.assert_close(mixed[i:i + 1], single[1])


def test_texture_is_level_without_its_module():
    texture, _ = LocalStructuralPrior(8, use_texture=False)(torch.randn(1, 8, 4, 4, 4))
    assert torch.equal(texture, torch.full((1, 1, 4, 4, 4), 0.5))


def test_texture_routes_between_detail_and_smooth():
    stage = TextureRoutedStage(4, 8)
    stage.gate = torch.nn.Identity()
    x, anchors = torch.randn(1, 4, 4, 4, 4), torch.rand(1, 8, 3)
    features = stage.conv(x)
    ones = torch.ones(1, 1, 8, 8, 8)
    torch.testing.assert_close(stage(x, ones, anchors), stage.detail(features))
    torch.testing.assert_close(stage(x, 0 * ones, anchors), stage.smooth(features))


def pyramid(channels=(4, 8, 8, 12), sizes=(16, 8, 4, 2)):
    return [torch.randn(2, c, n, n, n) for c, n in zip(channels, sizes, strict=True)]


def test_router_weights_sum_to_one():
    router, maps = SkipRouter((4, 8, 8, 12), 16), pyramid()
    sources = [p(x) for p, x in zip(router.project_in, maps, strict=True)]
    for target in (2, 3):
        weights = router.weights(sources, target)
        torch.testing.assert_close(weights.sum(1), torch.ones_like(weights[:, 0]))


@pytest.mark.parametrize('chosen', range(4))
def test_router_with_one_weight_at_one_gives_that_stage(chosen):
    router, maps = SkipRouter((4, 8, 8, 12), 16), pyramid()
    controller = router.controllers['2']
    torch.nn.init.zeros_(controller.out.weight)
    controller.out.bias.data = torch.full((4,), -1e4)
    controller.out.bias.data[chosen] = 1e4
    source = router.project_in[chosen](maps[chosen])
    source = functional.interpolate(source, size=(4, 4, 4), mode='trilinear')
    torch.testing.assert_close(router(maps)[2], router.project_out[2](source))


def test_low_memory_routing_equals_the_plain_one():
    plain = SkipRouter((4, 8, 8, 12), 16, routed=(0, 1, 2, 3), low_memory=False)
    low = SkipRouter((4, 8, 8, 12), 16, routed=(0, 1, 2, 3))
    low.load_state_dict(plain.state_dict())
    maps = pyramid()
    for a, b in zip(plain(maps), low(maps), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


def test_position_bias_is_the_squared_distance_and_moves_with_the_anchors():
    bias = AnchorPositionBias(4, 1)
    maps = bias.maps(torch.tensor([[[0.25, 0.5, 0.5]]]), (2, 2, 1))
    # Centres at 0.25 and 0.75 along D and H, 0.5 along W.
    torch.testing.assert_close(maps[0, 0, :, :, 0], torch.tensor([[0.0625, 0.0625],
                                                                  [0.3125, 0.3125]]))
    near = bias.maps(torch.tensor([[[0.1, 0.1, 0.1]]]), (8, 8, 8)).flatten().argmin()
    far = bias.maps(torch.tensor([[[0.9, 0.9, 0.9]]]), (8, 8, 8)).flatten().argmin()
    assert near == 0 and far == 8 ** 3 - 1


@pytest.mark.parametrize('distance', ['euclidean', 'gaussian'])
def test_other_distances(distance):
    anchors = torch.rand(1, 2, 3, requires_grad=True)
    maps = AnchorPositionBias(4, 2, distance).maps(anchors, (3, 4, 5))
    squared = AnchorPositionBias(4, 2).maps(anchors, (3, 4, 5))
    expected = squared.sqrt() if distance == 'euclidean' else (-squared / 0.1).exp()
    torch.testing.assert_close(maps, expected)
    maps.sum().backward()
    assert anchors.grad.isfinite().all()


def test_branch_weights_sum_to_one():
    stage = AdaptiveDecoderStage(8, 4)
    weights = stage.branch_weights(torch.randn(2, 8, 4, 4, 4))
    torch.testing.assert_close(weights.sum(1), torch.ones(2, 4, 4, 4))


# ---------------------------------------------------------------------- the loss
def test_class_weights_by_hand():
    target = torch.tensor([0, 0, 0, 1]).view(1, 4, 1, 1)
    # 4 / (3 * 3) and 4 / (3 * 1), scaled to sum to 3; the absent class gets none.
    torch.testing.assert_close(class_weights(target, 3), torch.tensor([0.75, 2.25, 0.0]))


def test_boundary_band_of_a_cube_is_its_shell():
    cube = torch.zeros(1, 1, 7, 7, 7)
    cube[..., 2:5, 2:5, 2:5] = 1
    assert boundary_band(cube).sum() == 5 ** 3 - 1


def test_loss_of_a_perfect_prediction_is_nought():
    target = torch.randint(0, 3, (2, 4, 4, 4))
    logits = 50 * (2 * functional.one_hot(target, 3).movedim(-1, 1).float() - 1)
    losses = LightMedSegLoss()(logits, target)
    assert sum(losses.values()) < 1e-4


def test_loss_of_level_logits_by_hand():
    """Half of the voxels each class, p = 1/2 everywhere: Dice 1/2, cross-entropy ln 2."""
    target = torch.zeros(1, 2, 4, 4, dtype=torch.int64)
    target[:, 1] = 1
    losses = LightMedSegLoss()(torch.zeros(1, 2, 2, 4, 4), target)
    assert losses['loss_dice'].item() == pytest.approx(0.5, abs=1e-5)
    assert losses['loss_ce'].item() == pytest.approx(0.6931, abs=1e-4)
    assert losses['loss_boundary'].item() == pytest.approx(0.5 * 0.6931, abs=1e-4)


def test_an_absent_class_leaves_the_loss_finite():
    losses = LightMedSegLoss()(torch.randn(1, 4, 4, 4, 4),
                               torch.zeros(1, 4, 4, 4, dtype=torch.int64))
    assert all(value.isfinite() for value in losses.values())


@pytest.mark.parametrize('build, shape', [
    (lambda: GhostConv3D(2, 4), (1, 2, 3, 3, 3)),
    (lambda: LocalStructuralPrior(4), (1, 4, 3, 3, 3)),
])
def test_gradients_in_double_precision(build, shape):
    module = build().double()
    x = torch.randn(shape, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(module, (x,), atol=1e-5)


def test_gradient_of_the_loss_in_double_precision():
    target = torch.randint(0, 2, (1, 3, 3, 3))
    logits = torch.randn(1, 2, 3, 3, 3, dtype=torch.double, requires_grad=True)
    loss = LightMedSegLoss()
    assert torch.autograd.gradcheck(lambda x: sum(loss(x, target).values()), (logits,))


# ---------------------------------------------------------------------- the whole network
@pytest.fixture(scope='module')
def net():
    torch.manual_seed(0)
    return LightMedSegNet(in_channels=1, num_classes=3).eval()


@pytest.mark.parametrize('size', [(32, 32, 32), (16, 48, 32), (14, 40, 33), (33, 41, 25),
                                  (1, 16, 5)])
def test_output_has_the_size_of_the_input(net, size):
    with torch.no_grad():
        out = net(torch.randn(1, 1, *size))
    assert out['logits'].shape == (1, 3, *size)
    assert 0 <= out['anchors'].min() and out['anchors'].max() <= 1


def test_a_batch_is_its_items(net):
    x = torch.randn(2, 1, 32, 16, 16)
    with torch.no_grad():
        both = net(x)['logits']
        single = torch.cat([net(x[i:i + 1])['logits'] for i in range(2)])
    torch.testing.assert_close(both, single, atol=1e-5, rtol=1e-4)


def test_every_parameter_gets_a_gradient():
    net = LightMedSegNet(in_channels=2, num_classes=3)
    sum(LightMedSegLoss()(net(torch.randn(1, 2, 32, 32, 32))['logits'],
                          torch.randint(0, 3, (1, 32, 32, 32))).values()).backward()
    assert [name for name, p in net.named_parameters() if p.grad is None] == []
    assert net.stages[0].film.gamma.weight.grad.abs().sum() > 0


@pytest.mark.parametrize('options', [
    dict(num_anchors=0), dict(prior=dict(use_texture=False)),
    dict(router=dict(channels=64, routed=())),
    dict(conv=dict(type='PlainConv3D')), dict(num_anchors=16), dict(distance='gaussian')])
def test_ablations_train(options):
    net = LightMedSegNet(in_channels=1, num_classes=2, **options)
    loss = sum(LightMedSegLoss()(net(torch.randn(1, 1, 16, 16, 16))['logits'],
                                 torch.randint(0, 2, (1, 16, 16, 16))).values())
    loss.backward()
    assert loss.isfinite()
    assert [name for name, p in net.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize('options, words', [
    (dict(num_classes=1), 'at least 2'),
    (dict(decoder_channels=(32, 32, 24, 24)), 'skips'),
    (dict(stem_channels=6), 'multiple of 4')])
def test_wrong_settings_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        LightMedSegNet(**options)
