"""ChannelWiseDistillation: the divergence by hand, a frozen teacher, nothing of it left behind."""
import math

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from torch import nn

import projects.lmsfa.models  # noqa: F401
from medseg.engine.checkpoint import CheckpointError
from medseg.engine.fuse import fuse_model
from medseg.errors import UserError
from projects.lmsfa.losses import ChannelWiseDistillation
from projects.lmsfa.losses.channel_wise_distillation import channel_wise_divergence

CONFIG = 'configs/lmsfa/distill/lmsfa-edge-n_distill-yolov8n_1xb8-adamw-30e_synpeld.py'
TEACHER = 'configs/lmsfa/ablation/lmsfa-n_base_1xb8-adamw-30e_synpeld.py'


@pytest.mark.parametrize('temperature', [1.0, 4.0])
def test_equal_maps_cost_nothing(temperature):
    maps = torch.randn(2, 3, 4, 5)
    assert channel_wise_divergence(maps, maps, temperature).item() == pytest.approx(0, abs=1e-7)
    shifted = maps + torch.randn(2, 3, 1, 1)
    assert channel_wise_divergence(shifted, maps, temperature).item() == pytest.approx(0, abs=1e-6)
    assert channel_wise_divergence(torch.randn(2, 3, 4, 5), maps, temperature) > 0.01


def test_divergence_by_hand():
    """Two places: the teacher looks at the first with 3 of 4, the student at both alike."""
    teacher = torch.tensor([math.log(3), 0.0]).reshape(1, 1, 1, 2)
    wanted = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    student = torch.zeros(1, 1, 1, 2)
    assert channel_wise_divergence(student, teacher, 1.0).item() == pytest.approx(wanted)
    # Twice the logits at twice the temperature are the same places, times T squared.
    assert channel_wise_divergence(student, 2 * teacher, 2.0).item() == pytest.approx(4 * wanted)
    # A mean over images and channels.
    both = torch.cat([teacher, student], 1)
    assert channel_wise_divergence(torch.zeros(1, 2, 1, 2), both, 1.0).item() == pytest.approx(
        wanted / 2)


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('teacher') / 'teacher.pth'
    torch.save(dict(state_dict=MODELS.build(Config.fromfile(TEACHER).model).state_dict()), path)
    return path


def build(weights, **changes):
    config = Config.fromfile(CONFIG)
    config.model.aux_losses.loss_distill.update(teacher_checkpoint=str(weights), **changes)
    torch.manual_seed(1)
    return MODELS.build(config.model)


def test_the_student_alone_learns(weights):
    model = build(weights)
    loss = model.aux_losses['loss_distill']
    images = torch.rand(2, 3, 64, 64)
    teacher = loss.teacher.on(images.device)
    model.train()
    value = loss(model.extract_feat(images), None, images, [])
    assert 0 < value.item() < 100
    value.backward()
    assert not teacher.training
    assert all(not p.requires_grad and p.grad is None for p in teacher.parameters())
    assert all(p.grad is not None for p in model.backbone.parameters())
    assert all(p.grad is not None for p in loss.parameters())
    assert not any('teacher' in key for key in model.state_dict())
    own = sum(p.numel() for p in build(weights).parameters())
    assert sum(p.numel() for p in model.parameters()) == own  # not its parameters either


def test_loss_is_zero_when_the_student_is_the_teacher(weights):
    loss = ChannelWiseDistillation(TEACHER, str(weights), (64, 128, 256), (64, 128, 256))
    for adapter in loss.adapters:
        nn.init.dirac_(adapter.weight)
        nn.init.zeros_(adapter.bias)
    images = torch.rand(1, 3, 64, 64)
    maps = loss.teacher.maps(images)
    assert [tuple(m.shape) for m in maps] == [(1, 64, 8, 8), (1, 128, 4, 4), (1, 256, 2, 2)]
    assert loss(maps, None, images, []).item() == pytest.approx(0, abs=1e-6)


def test_fusing_leaves_nothing_of_it(weights):
    model = fuse_model(build(weights))
    plain = fuse_model(MODELS.build(Config.fromfile(
        'configs/lmsfa/lmsfa-edge-n_1xb8-300e_peld.py').model))
    assert model.state_dict().keys() == plain.state_dict().keys()


def test_the_model_is_built_without_the_teacher(tmp_path):
    """For testing and fine-tuning its file is not needed; training says what is missing."""
    loss = build(tmp_path / 'none.pth').aux_losses['loss_distill']
    with pytest.raises(CheckpointError, match='none.pth: no such checkpoint'):
        loss.teacher.on(torch.device('cpu'))


@pytest.mark.parametrize('changes, told', [
    (dict(teacher='configs/none.py'), 'configs/none.py: no such config of a teacher'),
    (dict(bgr_to_rgb=False), 'takes the colours in another order'),
    (dict(teacher_channels=(64, 128, 128)), r'\[64, 128, 256\] channels, teacher_channels says')])
def test_wrong_teachers(weights, changes, told):
    model = build(weights, **changes)
    images = torch.rand(1, 3, 64, 64)
    with pytest.raises(UserError, match=told):
        model.aux_losses['loss_distill'](model.extract_feat(images), None, images, [])
