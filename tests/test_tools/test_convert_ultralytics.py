"""tools/models/ultralytics.py: equal outputs, every tensor accounted for, no code run.

``tests/data/ultralytics_golden.npz`` holds Ultralytics' tensor names and shapes, and its raw
outputs for weights made from those names, written by ``export_ultralytics_reference.py --golden``.
"""
import json
import os
import sys
import types
import zlib

import numpy as np
import pytest
import torch
from mmcv.cnn import ConvModule
from tool_runs import ROOT, load_tool
from torch import nn

from medseg.engine.checkpoint import CheckpointError, load_strictly, read_checkpoint
from medseg.models.c2f import DarknetUnit
from medseg.models.sppf import SPPF
from projects.baselines.ultralytics_weights import (
    build_model,
    family_of,
    identify,
    read_weights,
    source_name,
)

TOOL = 'tools/models/ultralytics.py'
PEER = 'tools/peers/export_ultralytics_reference.py'
NAMES = ('yolov8n-seg', 'yolov8s-seg', 'yolo11n-seg', 'yolo11s-seg')
CLASSES = ('adipose tissue', 'bone', 'ligamentum flavum', 'nerve')


@pytest.fixture(scope='module')
def golden():
    with np.load(ROOT / 'tests/data/ultralytics_golden.npz') as file:
        return dict(file)


@pytest.fixture(scope='module')
def source(golden):
    """Factory: Ultralytics' state dict of a model, four classes."""
    made = {}

    def make(name: str) -> dict[str, torch.Tensor]:
        if name not in made:
            shapes = json.loads(zlib.decompress(golden[f'{name}/shapes'].tobytes()))
            made[name] = load_tool(PEER).weights_from_names(shapes)
        return dict(made[name])

    return make


def our_model(name: str, num_classes: int = 4) -> nn.Module:
    return build_model(name, num_classes).eval()


def convert(capsys, *words) -> str:
    """Run the tool in this process; returns what it prints."""
    capsys.readouterr()
    assert load_tool(TOOL).main([str(word) for word in words]) == 0
    return capsys.readouterr().out


class _Recorder(nn.Module):
    """A module of any class name, for files that look like Ultralytics'."""


def foreign(name: str, **attributes) -> nn.Module:
    """A module whose pickle names a class that is not there when the file is read."""
    module, cls = name.rsplit('.', 1)
    parts = module.split('.')
    for i in range(len(parts)):
        sys.modules.setdefault('.'.join(parts[:i + 1]), types.ModuleType(parts[i]))
    if not hasattr(sys.modules[module], cls):
        setattr(sys.modules[module], cls, type(cls, (_Recorder,), dict(__module__=module)))
    instance = getattr(sys.modules[module], cls)()
    vars(instance).update(attributes)
    return instance


def pickled_model(state: dict, name: str, classes: tuple = CLASSES) -> nn.Module:
    """A module tree with these tensors, and what Ultralytics' modules hold beside them."""
    root = foreign('ultralytics.nn.tasks.SegmentationModel', names=dict(enumerate(classes)))

    def at(path: str) -> nn.Module:
        node = root
        for part in path.split('.'):
            if part not in node._modules:
                node.add_module(part, foreign('ultralytics.nn.modules.conv.Conv'))
            node = node._modules[part]
        return node

    for key, value in state.items():
        path, leaf = key.rsplit('.', 1)
        if value.is_floating_point() and 'running' not in leaf:
            at(path).register_parameter(leaf, nn.Parameter(value))
        else:
            at(path).register_buffer(leaf, value)
    for key, module in our_model(name).named_modules():
        if not isinstance(module, (ConvModule, DarknetUnit, SPPF)):
            continue
        node = at(source_name(key, family_of(name)))
        if isinstance(module, ConvModule):
            node.add_module('act', nn.SiLU() if module.with_activation else nn.Identity())
            node.bn.eps = 0.001
        elif isinstance(module, DarknetUnit):
            node.add = module.shortcut
        else:
            node.add_module('m', nn.MaxPool2d(5, 1, 2))
    return root


@pytest.fixture
def save(tmp_path):
    """Factory: torch.save, after which the classes that the file names are gone."""
    made = set(sys.modules)

    def write(content, name: str = 'source.pt'):
        torch.save(content, tmp_path / name)
        for key in set(sys.modules) - made:
            if key.split('.')[0] == 'ultralytics':
                del sys.modules[key]
        return tmp_path / name

    return write


@pytest.mark.parametrize('name', NAMES)
@torch.no_grad()
def test_raw_outputs_are_ultralytics(name, golden, source, save, tmp_path, capsys):
    """The bar: within 1e-4 of what Ultralytics computes with the same weights."""
    printed = convert(capsys, save(source(name)), tmp_path / 'ours.pth', '--sppf', 'silu')
    assert f'{name}, 4 classes' in printed and 'left out' not in printed
    checkpoint = read_checkpoint(tmp_path / 'ours.pth')
    model = our_model(name)
    load_strictly(model, checkpoint, 'ours.pth')
    *maps, protos = model._forward(torch.from_numpy(golden['image']))[0]
    found = [torch.cat([m.flatten(2) for m in levels], 2) for levels in maps] + [protos]
    for key, value in zip(('cls', 'box', 'coeff', 'proto'), found, strict=True):
        expected = golden[f'{name}/{key}']
        assert expected.std() > 0.1
        np.testing.assert_allclose(value.numpy(), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize('name', ['yolov8n-seg', 'yolo11n-seg'])
def test_pickled_model(name, source, save, tmp_path, capsys):
    """A training checkpoint in half precision: the averaged weights, and the class names."""
    state = source(name)
    worse = pickled_model({k: v * 0 if 'dfl' not in k else v for k, v in state.items()}, name)
    ckpt = dict(epoch=3, model=worse, ema=pickled_model(state, name).half(), optimizer=None,
                train_args=dict(task='segment'))
    path = save(ckpt)
    with pytest.raises(CheckpointError, match='carries code or objects'):
        read_checkpoint(path)  # the ordinary reader refuses it, rightly
    out = tmp_path / 'new folder' / 'ours.pth'
    convert(capsys, path, out)
    assert [p.name for p in out.parent.iterdir()] == ['ours.pth']
    found = read_checkpoint(out)
    assert found['meta']['dataset_meta'] == dict(classes=CLASSES)
    assert found['meta']['model'] == name
    assert len(found['state_dict']) == len(state) - 1  # but the fixed `dfl`
    family = family_of(name)
    for key, value in found['state_dict'].items():
        expected = state[source_name(key, family)]
        assert value.dtype == expected.dtype
        assert torch.equal(value, expected.half().float() if value.is_floating_point()
                           else expected), key


@pytest.mark.parametrize(('name', 'layers'), [
    # 80 classes make n's class branch wider (80 channels, not 64), s's only longer.
    ('yolov8n-seg', 'cls_branches.*.0, mask_head.cls_branches.*.1, mask_head.cls_branches.*.2'),
    ('yolov8s-seg', 'mask_head.cls_branches.*.2'),
    ('yolo11n-seg', 'mask_head.cls_branches.*.0.pointwise_conv, '
     'mask_head.cls_branches.*.1.depthwise_conv, mask_head.cls_branches.*.1.pointwise_conv, '
     'mask_head.cls_branches.*.2')])
def test_other_number_of_classes(name, layers, source, save, tmp_path, capsys):
    """What depends on the classes is left out, and mmengine fills in the rest."""
    state, big = source(name), our_model(name, 80).state_dict()
    for key, value in big.items():
        theirs = source_name(key, family_of(name))
        if value.shape != state[theirs].shape:
            state[theirs] = value
    out = tmp_path / 'ours.pth'
    printed = convert(capsys, save(state), out, '--num-classes', 4)
    assert printed.splitlines()[2].startswith('left out, since the file has 80 classes: ')
    assert printed.splitlines()[2].endswith(layers)
    assert '--partial-weights --cfg-options load_from=' in printed
    found = read_checkpoint(out)
    assert 'dataset_meta' not in found['meta']
    missing, unexpected = our_model(name).load_state_dict(found['state_dict'], strict=False)
    assert unexpected == [] and missing
    assert all(key.startswith('mask_head.cls_branches.') for key in missing)
    printed = convert(capsys, save(state), out)
    assert '80 classes' in printed and 'model.mask_head.num_classes=80' in printed
    load_strictly(our_model(name, 80), read_checkpoint(out), out)


def test_linear_sppf(error_of, source, save, tmp_path, capsys):
    """Files of Ultralytics 8.4 without activation in SPPF are recognised and keep apart."""
    name = 'yolov8n-seg'
    model = pickled_model(source(name), name)
    model.get_submodule('model.9.cv1').act = nn.Identity()
    path, out = save(dict(model=model)), tmp_path / 'ours.pth'
    assert 'model.backbone.sppf_linear_conv1=True' in convert(capsys, path, out)
    assert 'linear_conv1' in error_of(
        'tools/models/fuse.py', 'configs/yolov8/yolov8n-seg_1xb8-300e_peld.py', out,
        tmp_path / 'fused.pth')
    assert load_tool('tools/models/fuse.py').main([
        'configs/yolov8/yolov8n-seg_1xb8-300e_peld.py', str(out), str(tmp_path / 'fused.pth'),
        '--cfg-options', 'model.backbone.sppf_linear_conv1=True']) == 0
    assert 'SPPF is linear in this file, not silu' in error_of(TOOL, path, out, '--sppf', 'silu')
    printed = convert(capsys, save(source(name)), out)
    assert 'assuming SiLU' in printed and 'sppf_linear' not in printed


@pytest.mark.parametrize('prefix', ['', 'model.', 'module.'])
def test_wrapped_names(prefix, source, save):
    state = {prefix + key: value for key, value in source('yolo11n-seg').items()}
    assert read_weights(save(dict(state_dict=state))).tensors.keys() == source('yolo11n-seg').keys()


def without(state: dict, *parts: str) -> dict:
    return {k: v for k, v in state.items() if not any(part in k for part in parts)}


def change(**changes):
    """A file's state with some tensors replaced; dots are written as double underscores."""
    return lambda s: {**s, **{k.replace('__', '.'): v for k, v in changes.items()}}


@pytest.mark.parametrize(('name', 'edit', 'message'), [
    ('yolov8n-seg', lambda s: without(s, 'model.2.m.0.cv2.bn.bias'),
     '1 tensors are missing for this model: model.2.m.0.cv2.bn.bias'),
    ('yolo11n-seg', change(model__10__odd=torch.zeros(2)),
     '1 tensors are left over for this model: model.10.odd'),
    ('yolo11n-seg', change(model__1__bn__bias=torch.zeros(7)),
     'unfitting for this model: model.1.bn.bias (7,) instead of (32,)'),
    ('yolov8n-seg', change(model__22__dfl__conv__weight=torch.zeros(1, 16, 1, 1)),
     'dfl.conv.weight, whose values are not 0, 1, 2'),
    ('yolov8n-seg', lambda s: {**without(s, '.bn.'), 'model.0.conv.bias': torch.zeros(16)},
     'is fused'),
    ('yolo11n-seg', lambda s: without(s, '.cv4.', '.proto.'), 'it has no masks'),
    ('yolo11n-seg', change(model__23__one2one_cv2__0__2__bias=torch.zeros(64)),
     'predicts end to end'),
    ('yolov8n-seg', lambda s: {k.replace('model.22', 'model.24'): v for k, v in s.items()},
     'it has 25 layers'),
    ('yolov8n-seg', change(model__0__conv__weight=torch.zeros(48, 3, 3, 3)),
     'its first convolution has 48 channels'),
    ('yolov8n-seg', lambda s: without(s, 'model.22'), 'its last layer is no detection head'),
    ('yolov8n-seg', lambda s: {'backbone.conv1.weight': torch.zeros(1)},
     'it has a tensor backbone.conv1.weight'),
    ('yolov8n-seg', lambda s: {'epoch': 3}, 'holds no weights')])
def test_unfitting_tensors_are_named(name, edit, message, error_of, source, save, tmp_path):
    path = save(edit(source(name)))
    found = error_of(TOOL, path, tmp_path / 'ours.pth')
    assert str(path) in found and message in found
    assert not (tmp_path / 'ours.pth').exists()


@pytest.mark.parametrize(('edit', 'message'), [
    (lambda m: m.get_submodule('model.2.cv1').add_module('act', nn.ReLU()),
     'model.2.cv1 has activation ReLU, the model to be converted to SiLU'),
    (lambda m: setattr(m.get_submodule('model.12.m.0'), 'add', True),
     'model.12.m.0 has shortcut True, the model to be converted to False'),
    (lambda m: setattr(m.get_submodule('model.4.cv1.bn'), 'eps', 1e-5),
     'model.4.cv1.bn has eps 1e-05, the model to be converted to 0.001'),
    (lambda m: setattr(m.get_submodule('model.9.m'), 'kernel_size', 7),
     'model.9.m has kernel size 7, the model to be converted to 5')])
def test_modified_networks_are_refused(edit, message, error_of, source, save, tmp_path):
    """The weights of these fit, but they compute something else."""
    model = pickled_model(source('yolov8n-seg'), 'yolov8n-seg')
    edit(model)
    assert message in error_of(TOOL, save(dict(ema=model)), tmp_path / 'ours.pth')


def test_wrong_input(error_of, source, save, tmp_path):
    path, out = save(source('yolov8n-seg')), tmp_path / 'ours.pth'
    before = path.read_bytes()
    assert 'would overwrite' in error_of(TOOL, path, path)
    assert path.read_bytes() == before
    assert 'is a folder' in error_of(TOOL, path, tmp_path)
    assert 'is yolov8n-seg, not yolo11s-seg' in error_of(TOOL, path, out, '--model', 'yolo11s-seg')
    assert 'must be at least 1' in error_of(TOOL, path, out, '--num-classes', '0')
    assert 'no such checkpoint' in error_of(TOOL, tmp_path / 'none.pt', out)
    assert [p.name for p in tmp_path.iterdir()] == ['source.pt']


class _Attack:
    def __reduce__(self):
        return os.system, ('true',)


def test_attack_is_refused(error_of, source, save, tmp_path):
    """More of this in test_whole_model.py."""
    path = save(dict(source('yolov8n-seg'), attack=_Attack()))
    error = error_of(TOOL, path, tmp_path / 'ours.pth')
    assert f'{path}: refused' in error and f'`{os.system.__module__}.system`' in error
    assert [p.name for p in tmp_path.iterdir()] == ['source.pt']


def test_identify(source, save):
    for name in NAMES:
        assert identify(read_weights(save(source(name)))) == name


def test_comparison_tool(golden, source, save, tmp_path, capsys):
    """compare_ultralytics_outputs.py agrees with the golden outputs, and sees a difference."""
    tool = load_tool('tools/peers/compare_ultralytics_outputs.py')
    name = 'yolo11n-seg'
    save(source(name), f'{name}.plain.pt')
    outputs = {key: golden[f'{name}/{key}'] for key in ('cls', 'box', 'coeff', 'proto')}
    np.savez(tmp_path / f'{name}.npz', image=golden['image'], **outputs)
    assert tool.main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.count('equal') == 2
    outputs['coeff'] = outputs['coeff'] + 2e-4
    np.savez(tmp_path / f'{name}.npz', image=golden['image'], **outputs)
    assert tool.main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.count('DIFFERS') == 1


def test_comparison_tool_needs_references(error_of, tmp_path):
    tool = 'tools/peers/compare_ultralytics_outputs.py'
    assert 'export_ultralytics_reference.py' in error_of(tool, tmp_path)
    np.savez(tmp_path / 'yolo11n-seg.npz')
    assert 'holds no .pt beside its .npz' in error_of(tool, tmp_path)
