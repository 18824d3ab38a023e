"""YOLO11-seg and YOLOv8-seg: parameters of the reference, attention by hand, fusing."""
import pytest
import torch
from torch import nn
from variant_checks import count, flatten, randomise_norms

from medseg.engine.fuse import fuse_model
from medseg.models.c2f import C2f
from medseg.models.sppf import SPPF
from projects.baselines.c2psa import C2PSA, PositionSensitiveAttention
from projects.baselines.c3k2 import C3k, C3k2
from projects.baselines.yolov8_pafpn import YOLOv8PAFPN
from projects.lmsfa.backbone.lmfe import LMFE

# Ultralytics' own counts, with 80 and with 4 classes. Theirs have 16 more, a fixed convolution
# (0, 1, ..., 15) that turns a distribution into its mean; ours is a buffer.
COUNTS = {
    'yolov8n': (3_409_968, 3_264_396), 'yolov8s': (11_821_056, 11_791_644),
    'yolo11n': (2_876_848, 2_843_388), 'yolo11s': (10_113_248, 10_083_836),
}


@pytest.mark.parametrize('name', COUNTS)
def test_parameters(name, build_model):
    for num_classes, expected in zip((80, 4), COUNTS[name], strict=True):
        model = build_model(f'configs/_base_/models/{name}_seg.py',
                            **{'mask_head.num_classes': num_classes})
        assert count(model) == expected - len(model.mask_head.bins)


@pytest.mark.parametrize('config', [
    'configs/yolov8/yolov8n-seg_1xb8-300e_peld.py', 'configs/yolov8/yolov8s-seg_1xb8-300e_peld.py',
    'configs/yolo11/yolo11n-seg_1xb8-300e_peld.py', 'configs/yolo11/yolo11s-seg_1xb8-300e_peld.py'])
@torch.no_grad()
def test_fused_outputs_are_equal(config, build_model):
    model = build_model(config).eval().double()
    randomise_norms(model)
    x = torch.rand(2, 3, 96, 64, dtype=torch.double)
    before = flatten(model._forward(x))
    assert [tuple(m.shape) for m in before[::3]] == [
        (2, 4, 12, 8), (2, 64, 12, 8), (2, 32, 12, 8), (2, 32, 24, 16)]
    fuse_model(model)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    for fused, expected in zip(flatten(model._forward(x)), before, strict=True):
        assert expected.std() > 1e-3
        torch.testing.assert_close(fused, expected, rtol=1e-9, atol=1e-9)


def test_it_learns(build_model):
    """Gradients reach every parameter of YOLO11n-seg."""
    model = build_model('configs/_base_/models/yolo11n_seg.py')
    model.train()
    sum(out.square().mean() for out in flatten(model._forward(torch.rand(2, 3, 64, 64)))).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@torch.no_grad()
def test_attention_by_hand():
    """One head, one key channel, two pixels: the weights are those of a softmax by hand."""
    module = PositionSensitiveAttention(2, num_heads=1).eval()
    for conv in (module.qkv, module.proj, module.position):
        conv.norm.eps = 0.0
        nn.init.zeros_(conv.conv.weight)
    # Query: channel 0; key: channel 1; values: both channels.
    module.qkv.conv.weight.view(4, 2).copy_(
        torch.tensor([[1., 0.], [0., 1.], [1., 0.], [0., 1.]]))
    module.proj.conv.weight.view(2, 2).copy_(torch.eye(2))
    module.position.conv.weight[:, 0, 1, 1] = 10.0  # the values themselves, ten times
    x = torch.tensor([[[[1.0, 0.0]], [[0.0, 2.0]]]])  # pixels (1, 0) and (0, 2)
    # Pixel 0 has query 1, keys are 0 and 2: weights softmax(0, 2); pixel 1 has query 0: halves.
    weight = torch.tensor([0.0, 2.0]).softmax(0)
    expected = torch.tensor([
        [weight[0] * 1 + 10 * 1, 0.5 * 1 + 10 * 0],
        [weight[1] * 2 + 10 * 0, 0.5 * 2 + 10 * 2]]).view(1, 2, 1, 2)
    torch.testing.assert_close(module(x), expected)


@torch.no_grad()
def test_heads_are_apart():
    """What changes one head's queries changes that head's half of the output only."""
    module = PositionSensitiveAttention(8, num_heads=2).eval()
    nn.init.zeros_(module.position.conv.weight)
    module.proj.conv.weight.view(8, 8).copy_(torch.eye(8))
    x = torch.randn(1, 8, 3, 5)
    before = module(x)
    module.qkv.conv.weight[:2] += 1  # each head: 2 queries, 2 keys, 4 values
    changed = (module(x) - before).abs().amax((0, 2, 3)) > 1e-6
    assert changed.tolist() == [True] * 4 + [False] * 4


def test_attention_refuses_uneven_heads():
    with pytest.raises(ValueError, match=r'channels \(10\) must be a multiple of num_heads \(4\)'):
        PositionSensitiveAttention(10, 4)


def test_heads_follow_from_channels():
    heads = [C2PSA(c, c).blocks[0].attention.num_heads for c in (64, 256, 512)]
    assert heads == [1, 2, 4]


def test_blocks():
    assert C2f(16, 32).mid_channels == 16
    block = C3k2(16, 32, expansion=0.25)
    assert block.mid_channels == 8
    assert block.blocks[0].conv1.conv.weight.shape == (4, 8, 3, 3)
    nested = C3k2(16, 32, unit=dict(type='C3k'), shortcut=True)
    assert isinstance(nested.blocks[0], C3k) and len(nested.blocks[0].blocks) == 2
    assert all(unit.shortcut for unit in nested.blocks[0].blocks)
    # Three 1x1 and two units of two 3x3 on half the channels, each with a BatchNorm.
    assert count(C3k(8)) == 2 * (8 * 4 + 2 * 4) + (8 * 8 + 2 * 8) + 4 * (4 * 4 * 9 + 2 * 4)
    assert block(torch.rand(1, 16, 4, 4)).shape == nested(torch.rand(1, 16, 4, 4)).shape


def test_wrong_lists_are_named():
    with pytest.raises(ValueError, match='got 3, 5 and 4'):
        LMFE(num_blocks=(2, 2, 2))
    with pytest.raises(ValueError, match='`block` needs 1 or 4 entries, got 2'):
        YOLOv8PAFPN((8, 16, 32), block=[dict(type='C2f')] * 2)


def test_linear_sppf_is_no_silent_mismatch():
    """A checkpoint of the one kind does not load into the other, though the weights fit."""
    linear, plain = SPPF(8, 8, linear_conv1=True), SPPF(8, 8)
    assert not linear.conv1.with_activation and plain.conv1.with_activation
    assert count(linear) == count(plain)
    with pytest.raises(RuntimeError, match='linear_conv1'):
        plain.load_state_dict(linear.state_dict())
    with pytest.raises(RuntimeError, match='linear_conv1'):
        linear.load_state_dict(plain.state_dict())
