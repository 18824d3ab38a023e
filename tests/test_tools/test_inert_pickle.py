"""medseg/engine/inert_pickle.py: files of whole models are read, and nothing runs."""
import builtins
import os
import pickle
import sys
import types
import zipfile

import pytest
import torch
from torch import nn

from medseg.engine.checkpoint import CheckpointError, UnsafeCheckpointError
from medseg.engine.inert_pickle import InertFile, attribute


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
    file = InertFile(save(module.half()))
    assert file.root.origin.endswith('.Gone') and not isinstance(file.root, Gone)
    state = file.state_dict(file.root)
    assert list(state) == list(module.state_dict())
    assert 'dropped' not in state and 'norm.running_var' in state
    for key, value in module.state_dict().items():
        assert state[key].dtype == value.dtype and torch.equal(state[key], value)
    assert attribute(file.root, 'names') == {0: 'bone', 1: 'nerve'}
    modules = dict(file.modules(file.root))
    assert list(modules) == ['', 'norm']
    assert attribute(modules['norm'], 'eps') == 0.5


@pytest.mark.parametrize(('function', 'args', 'name'), [
    (os.system, 'touch {}', f'{os.system.__module__}.system'),
    (exec, 'open("{}", "w")', 'exec'), (eval, 'open("{}", "w")', 'eval'),
    (builtins.open, '{}', 'open'), (__import__, 'antigravity{}', '__import__')])
def test_attacks_are_refused(function, args, name, save, tmp_path):
    marker = tmp_path / 'ran'
    attack = _Call(function, args.format(marker), *(['w'] if function is open else []))
    path = save(dict(model=Gone(), attack=attack))
    with pytest.raises(UnsafeCheckpointError, match=f'source.pt: asks to call .*{name}'):
        InertFile(path)
    assert [p.name for p in tmp_path.iterdir()] == ['source.pt']


def test_unknown_code_is_inert(save, tmp_path):
    """Functions and classes of any other name are kept as records and never called."""
    marker = tmp_path / 'ran'
    call = intruder('intruder', marker)
    sly = _Call(getattr, _Call(getattr, 'text', '__class__'), '__mro__')
    module = Gone()
    module.criterion = call
    file = InertFile(save(dict(model=module, args=call, sly=sly)))
    assert not marker.exists() and 'intruder' not in sys.modules
    assert file.root['args'].origin == 'intruder.leave' and file.root['args'].args == (str(marker),)
    assert file.root['sly'].origin.endswith('.getattr')
    assert file.root['sly'].args[0].args == ('text', '__class__')
    assert attribute(file.root['model'], 'criterion').origin == 'intruder.leave'


def test_the_attack_is_real(tmp_path):
    """The call of the test above does run when it is unpickled as usual."""
    pickle.loads(pickle.dumps(intruder('intruder', tmp_path / 'ran')))
    assert (tmp_path / 'ran').read_text() == 'ran'
    del sys.modules['intruder']


def test_damaged_files(save, tmp_path):
    plain = save({'model.0.conv.weight': torch.arange(12.).view(3, 4).t(), 'n': torch.tensor(5)})
    state = InertFile(plain)
    assert torch.equal(state.tensor(state.root['model.0.conv.weight']),
                       torch.arange(12.).view(3, 4).t())
    assert state.tensor(state.root['n']).item() == 5

    def rewritten(name: str, edit, **options):
        path = tmp_path / name
        with zipfile.ZipFile(plain) as old, zipfile.ZipFile(path, 'w', **options) as new:
            for item in old.namelist():
                new.writestr(item, edit(item, old.read(item)))
        return path

    short = InertFile(rewritten('short.pt', lambda n, d: d[:8] if '/data/0' in n else d))
    with pytest.raises(CheckpointError, match='short.pt: holds a damaged tensor'):
        short.tensor(short.root['model.0.conv.weight'])
    for name, edit, options, message in (
            ('cut.pt', lambda n, d: d[:-9] if 'data.pkl' in n else d, {}, 'is damaged'),
            ('big.pt', lambda n, d: b'big' if 'byteorder' in n else d, {}, 'big-endian'),
            ('packed.pt', lambda n, d: d, dict(compression=zipfile.ZIP_DEFLATED), 'holds no')):
        with pytest.raises(CheckpointError, match=message):
            InertFile(rewritten(name, edit, **options))
    (tmp_path / 'text.pt').write_text('not a model')
    with pytest.raises(CheckpointError, match="not in PyTorch's zip format"):
        InertFile(tmp_path / 'text.pt')
