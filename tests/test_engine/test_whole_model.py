"""medseg/engine/whole_model.py: files of whole models are read, and nothing runs."""
import builtins
import os
import pickle
import sys
import types

import pytest
import torch
from torch import nn

from medseg.engine.checkpoint import CheckpointError, UnsafeCheckpointError
from medseg.engine.whole_model import (
    Record,
    attribute,
    modules,
    read_whole_model,
    state_dict,
)


class Gone(nn.Module):
    """A module with a parameter, two buffers, a child and plain attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(6.).view(2, 3))
        self.register_buffer('kept', torch.tensor([1, 2]))
        self.register_buffer('dropped', torch.tensor(3), persistent=False)
        self.register_parameter('none', None)
        self.norm = nn.BatchNorm2d(4, eps=0.5)
        self.names = {0: 'bone', 1: 'nerve'}


class _Call:
    """Pickles as a call of any function."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def intruder(module: str, target) -> object:
    """An importable function outside of any list, which leaves a file behind when it runs."""
    def leave(path: str) -> None:
        with open(path, 'w') as file:
            file.write('ran')

    leave.__module__, leave.__qualname__ = module, 'leave'
    sys.modules[module] = types.ModuleType(module)
    sys.modules[module].leave = leave
    return _Call(leave, str(target))


@pytest.fixture
def save(tmp_path):
    """Factory: torch.save, after which the module of the intruding function is gone."""
    def write(content):
        torch.save(content, tmp_path / 'source.pt')
        sys.modules.pop('intruder', None)
        return tmp_path / 'source.pt'

    return write


def test_module(save):
    """Tensors as ``state_dict`` gives them, and plain attributes."""
    module = Gone()
    root = read_whole_model(save(module.half()))
    assert isinstance(root, Record) and root.origin.endswith('.Gone')
    state = state_dict(root)
    assert list(state) == list(module.state_dict())
    assert 'dropped' not in state and 'norm.running_var' in state
    for key, value in module.state_dict().items():
        assert state[key].dtype == value.dtype and torch.equal(state[key], value)
    assert attribute(root, 'names') == {0: 'bone', 1: 'nerve'}
    found = dict(modules(root))
    assert list(found) == ['', 'norm']
    assert attribute(found['norm'], 'eps') == 0.5


@pytest.mark.parametrize(('function', 'args', 'name'), [
    (os.system, 'touch {}', f'{os.system.__module__}.system'),
    (exec, 'open("{}", "w")', 'exec'), (eval, 'open("{}", "w")', 'eval'),
    (builtins.open, '{}', 'open'), (__import__, 'antigravity{}', '__import__')])
def test_attacks_are_refused(function, args, name, save, tmp_path):
    marker = tmp_path / 'ran'
    attack = _Call(function, args.format(marker), *(['w'] if function is open else []))
    path = save(dict(model=Gone(), attack=attack))
    with pytest.raises(UnsafeCheckpointError, match=f'source.pt: refused, .*asks for `.*{name}`'):
        read_whole_model(path)
    assert [p.name for p in tmp_path.iterdir()] == ['source.pt']


def test_unknown_code_is_inert(save, tmp_path):
    """Functions and classes of any other name are kept as records and never called."""
    marker = tmp_path / 'ran'
    call = intruder('intruder', marker)
    sly = _Call(getattr, _Call(getattr, 'text', '__class__'), '__mro__')
    module = Gone()
    module.criterion = call
    root = read_whole_model(save(dict(model=module, args=call, sly=sly)))
    assert not marker.exists() and 'intruder' not in sys.modules
    assert root['args'].origin == 'intruder.leave' and root['args'].args == (str(marker),)
    assert root['sly'].origin.endswith('.getattr')
    assert root['sly'].args[0].args == ('text', '__class__')
    assert attribute(root['model'], 'criterion').origin == 'intruder.leave'


def test_the_attack_is_real(tmp_path):
    """The call of the test above does run when it is unpickled as usual."""
    pickle.loads(pickle.dumps(intruder('intruder', tmp_path / 'ran')))
    assert (tmp_path / 'ran').read_text() == 'ran'
    del sys.modules['intruder']


def test_plain_tensors(save):
    content = {'model.0.conv.weight': torch.arange(12.).view(3, 4).t(), 'n': torch.tensor(5)}
    state = read_whole_model(save(content))
    assert torch.equal(state['model.0.conv.weight'], content['model.0.conv.weight'])
    assert state['n'].item() == 5


def test_modules_without_end(save):
    """A module that holds itself, and a small file that describes 2^60 modules."""
    root = Record()
    root.state = {'_modules': {'again': root}}
    with pytest.raises(CheckpointError, match='nested without end'):
        state_dict(root)
    for _ in range(60):
        parent = Record()
        parent.state = {'_modules': {'a': root, 'b': root}}
        root = parent
    with pytest.raises(CheckpointError, match='nested without end'):
        list(modules(root))


def test_what_pytorch_would_make_of_any_size_is_refused(save):
    """PyTorch trusts these names; whole models have no use for them."""
    with pytest.raises(CheckpointError, match='holds builtins.bytearray'):
        read_whole_model(save(dict(model=Gone(), more=bytearray(8))))
