"""Distillation from a frozen teacher, weights of others, LGViT under an instance head."""
import pytest
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from tool_runs import load_tool

from medseg.engine.checkpoint import CheckpointError
from projects.hrmedseg.distillation import FeatureDistiller, FeatureErrorMetric
from projects.hrmedseg.released_weights import convert
from projects.hrmedseg.rotary import RotaryCode
from projects.hrmedseg.sam_encoder import SAMBlock, SAMEncoder, relative_table
from projects.hrmedseg.simple_pyramid import SimplePyramid

BACKBONE = dict(type='LGViT', dim=24, depths=(1, 1, 1, 1), num_heads=(2, 3, 6), drop_path_rate=0.)
NECK = dict(type='EmbeddingNeck', in_channels=24, out_channels=32)
OWN = dict(type='DetDataPreprocessor', mean=[10., 20., 30.], std=[2., 4., 5.])
BINARY = 'configs/hrmedseg/hrmedseg_lgvit-96_1xb4-30e_dsb2018.py'


@pytest.fixture
def distiller(tmp_path):
    """A narrow student of a small SAM-like encoder of 16 channels at the same resolution."""
    torch.manual_seed(0)
    teacher = dict(type='SAMEncoder', dim=32, depth=2, num_heads=4, global_blocks=(1,), window=2,
                   size=4, out_channels=16)
    state = {f'image_encoder.{key}': value for key, value in
             MODELS.build(teacher).state_dict().items()}
    torch.save({**state, 'prompt_encoder.x': torch.zeros(1)}, tmp_path / 'teacher.pth')
    return FeatureDistiller(
        BACKBONE, NECK, teacher, str(tmp_path / 'teacher.pth'), 'image_encoder.', adapter=(32, 16),
        teacher_input=dict(mean=[0.] * 3, std=[255.] * 3), data_preprocessor=OWN)


def test_loss_is_the_mean_squared_error_and_trains_the_student_alone(distiller):
    images = torch.randn(2, 3, 64, 64)
    loss = distiller(images, mode='loss')['loss_feature']
    own = distiller.adapter(distiller.neck(distiller.backbone(images))[-1])
    # The teacher sees the same pixels in its own normalisation.
    raw = images * torch.tensor(OWN['std']).view(3, 1, 1) + torch.tensor(OWN['mean']).view(3, 1, 1)
    teacher = distiller.teacher(images.device)
    assert loss.item() == pytest.approx(F.mse_loss(own, teacher(raw / 255)).item(), rel=1e-4)
    loss.backward()
    assert all(p.grad is None for p in teacher.parameters())
    assert all(p.grad is not None for p in distiller.parameters())
    distiller.train()
    assert not teacher.training
    assert not any('teacher' in key for key in distiller.state_dict())


def test_student_learns(distiller):
    images = torch.randn(2, 3, 64, 64)
    optimizer = torch.optim.Adam(distiller.parameters(), 3e-3)
    losses = []
    for _ in range(30):
        loss = distiller(images, mode='loss')['loss_feature']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_another_resolution_is_resampled(distiller):
    distiller.teacher_level = -1
    found = distiller.target(torch.randn(1, 3, 64, 64), (8, 8))
    assert found.shape == (1, 16, 8, 8)


def test_metric_is_the_mean_over_images(distiller):
    samples = [DetDataSample(), DetDataSample()]
    with torch.no_grad():
        distiller.eval()(torch.randn(2, 3, 64, 64), samples, mode='predict')
    metric = FeatureErrorMetric()
    metric.process({}, [sample.to_dict() for sample in samples])
    expected = sum(sample.feature_error for sample in samples) / 2
    assert metric.evaluate(2) == {'distillation/mse': pytest.approx(expected)}


def test_student_goes_into_a_segmentor(distiller, tmp_path):
    torch.save(dict(state_dict=distiller.state_dict()), tmp_path / 'student.pth')
    weights = dict(type='Pretrained', checkpoint=str(tmp_path / 'student.pth'))
    model = MODELS.build(dict(
        type='HRMedSeg', backbone=dict(BACKBONE, init_cfg=dict(weights, prefix='backbone.')),
        neck=dict(NECK, init_cfg=dict(weights, prefix='neck.')),
        prompt_encoder=dict(type='PromptEncoder', dim=32),
        decode_head=dict(type='ECMDecoder', num_classes=2, in_channels=32, num_heads=4)))
    model.init_weights()
    for part in ('backbone', 'neck'):
        for key, value in getattr(distiller, part).state_dict().items():
            assert torch.equal(getattr(model, part).state_dict()[key], value), key


def test_wrong_teachers(distiller, tmp_path):
    distiller._teacher.prefix = 'encoder.'
    with pytest.raises(CheckpointError, match='teacher.pth: is not of the teacher SAMEncoder'):
        distiller.teacher(torch.device('cpu'))
    distiller._teacher.checkpoint = str(tmp_path / 'none.pth')
    with pytest.raises(CheckpointError, match='none.pth: no such checkpoint'):
        distiller.teacher(torch.device('cpu'))


@pytest.mark.parametrize('dim, depth, heads, blocks, parameters', [
    (1280, 32, 16, (7, 15, 23, 31), 637_026_048), (768, 12, 12, (2, 5, 8, 11), 89_670_912)])
def test_sam_encoders_have_metas_parameters(dim, depth, heads, blocks, parameters):
    with torch.device('meta'):
        model = SAMEncoder(dim, depth, heads, blocks)
    assert sum(p.numel() for p in model.parameters()) == parameters


def test_relative_table_by_hand():
    """Offsets -2 to 2 at rows 0 to 4."""
    table = torch.arange(5.0)[:, None]
    assert relative_table(table, 3)[..., 0].tolist() == [[2, 1, 0], [3, 2, 1], [4, 3, 2]]
    # Resampled to offsets -1 to 1, in steps of 5/3 rows.
    assert relative_table(table, 2)[0, 0].item() == pytest.approx(2)


def test_windows_do_not_see_each_other():
    torch.manual_seed(0)
    block = SAMBlock(8, 2, window=2, size=5)
    torch.nn.init.normal_(block.attn.rel_pos_h)
    image = torch.randn(1, 5, 5, 8)
    changed = image.clone()
    changed[0, 0, 0] = torch.randn(8)
    differs = (block(image) != block(changed)).any(-1)[0]
    assert differs[:2, :2].all() and differs.sum() == 4
    # Attention over the whole grid equals one window of its size.
    whole = SAMBlock(8, 2, window=0, size=5)
    one = SAMBlock(8, 2, window=5, size=5)
    one.load_state_dict(whole.state_dict())
    assert torch.allclose(whole(image), one(image), atol=1e-6)


def authors_state(model):
    """A state dict with the names and shapes of ``SAM_PFD_10K.pth``."""
    state = {}
    ours = {key: value for key, value in model.state_dict().items()
            if key.startswith(('backbone.', 'neck.'))}
    parts = dict(gate='act_proj', proj='out_proj', value_down='attn.up_proj',
                 value_up='attn.down_proj', qk='attn.qk', lepe='attn.lepe')
    convolutions = dict(expand='conv1', depthwise='conv2', project='conv3')
    for key, value in ours.items():
        words = key.split('.')
        if words[0] == 'neck':
            name = f'neck.{words[2]}.{words[3]}'
        elif words[1] == 'patch_embed':
            name = f'image_encoder.patch_embed.proj.{words[2]}'
        else:
            place = f'image_encoder.layers.{words[2]}.blocks.{words[3]}'
            if words[4] in convolutions:
                kind = dict(conv='c', bn='bn')[words[5]]
                name = f'{place}.{convolutions[words[4]]}.{kind}.{words[6]}'
            elif words[4] == 'attn':
                name = f'{place}.{parts[words[5]]}.{words[6]}'
            elif words[4] == 'mlp':
                name = f'{place}.mlp.{"fc1" if words[5] == "0" else "fc2"}.{words[6]}'
            else:
                name = f'{place}.{words[4]}.{words[5]}'
        state[name] = torch.randn(value.shape) if value.is_floating_point() else value
    cos, sin = RotaryCode(96)(64, 64, torch.device('cpu'))
    table = torch.stack([cos, sin], -1).reshape(64, 64, 48, 2)
    for layer, depth in ((1, 2), (2, 6), (3, 2)):
        for i in range(depth):
            state[f'image_encoder.layers.{layer}.blocks.{i}.attn.rope.rotations'] = table
    return state


@pytest.fixture(scope='module')
def released():
    model = MODELS.build(Config.fromfile(BINARY).model)
    return model, authors_state(model)


def test_authors_names_and_shapes(released):
    _, state = released
    assert state['image_encoder.patch_embed.proj.weight'].shape == (96, 3, 16, 16)
    assert state['image_encoder.layers.0.blocks.1.conv2.c.weight'].shape == (192, 1, 3, 3)
    # Named the wrong way round: "up" is the narrow one.
    assert state['image_encoder.layers.2.blocks.5.attn.up_proj.weight'].shape == (24, 96)
    assert state['image_encoder.layers.2.blocks.5.attn.qk.weight'].shape == (192, 96)
    assert state['neck.2.weight'].shape == (256, 256, 3, 3)


def test_tool_converts_them(released, tmp_path):
    model, state = released
    torch.save({f'module.{key}': value for key, value in state.items()}, tmp_path / 'theirs.pth')
    assert load_tool('tools/models/hrmedseg.py').main(
        [str(tmp_path / 'theirs.pth'), str(tmp_path / 'ours.pth')]) == 0
    ours = torch.load(tmp_path / 'ours.pth', weights_only=True)['state_dict']
    missing = model.load_state_dict(ours, strict=False)
    assert not missing.unexpected_keys
    assert all(key.startswith(('prompt_encoder.', 'decode_head.')) for key in missing.missing_keys)
    block = model.backbone.stages[3][1]
    name = 'image_encoder.layers.3.blocks.1'
    assert torch.equal(block.attn.value_down.weight, state[f'{name}.attn.up_proj.weight'])
    assert torch.equal(block.attn.gate.bias, state[f'{name}.act_proj.bias'])
    assert torch.equal(model.backbone.stages[0][0].project.bn.running_var,
                       state['image_encoder.layers.0.blocks.0.conv3.bn.running_var'])
    assert torch.equal(model.neck.layers[3].bias, state['neck.3.bias'])


def test_other_weights_are_refused(released):
    model, state = released
    with pytest.raises(CheckpointError, match='1 tensors are left over: mask_decoder.x'):
        convert({**state, 'mask_decoder.x': torch.zeros(1)}, model, 'w.pth')
    fewer = {key: value for key, value in state.items() if key != 'neck.0.weight'}
    with pytest.raises(CheckpointError, match='1 tensors are missing: neck.layers.0.weight'):
        convert(fewer, model, 'w.pth')
    with pytest.raises(CheckpointError, match=r'neck.0.weight \(2,\) instead of'):
        convert({**state, 'neck.0.weight': torch.zeros(2)}, model, 'w.pth')
    table = 'image_encoder.layers.1.blocks.0.attn.rope.rotations'
    with pytest.raises(CheckpointError, match='is another rotary code'):
        convert({**state, table: state[table].flip(0)}, model, 'w.pth')


def test_pyramid():
    pyramid = SimplePyramid(16, (8, 8, 12, 4, 4), (4, 8, 16, 32, 32))
    maps = pyramid((torch.randn(2, 16, 4, 6),))
    assert [tuple(m.shape) for m in maps] == [
        (2, 8, 16, 24), (2, 8, 8, 12), (2, 12, 4, 6), (2, 4, 2, 3), (2, 4, 2, 3)]
    with pytest.raises(ValueError, match='stride 12 is no power of two from 16'):
        SimplePyramid(16, (8,), (12,))
    with pytest.raises(ValueError, match='2 strides and 1 numbers'):
        SimplePyramid(16, (8,), (4, 8))
