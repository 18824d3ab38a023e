"""Checkpoints load without running code; the stack's work-arounds are in place."""
import io
import os
import pickle

import mmengine
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.runner import checkpoint as mmengine_checkpoint

from medseg.engine import compat
from medseg.engine.checkpoint import (
    CheckpointError,
    UnsafeCheckpointError,
    load_strictly,
    read_checkpoint,
)

compat.setup()


class WritesFile:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


class FetchesAttribute:
    """Reaches for an attribute of a trusted class when it is unpickled."""

    def __init__(self, *operands):
        self.operands = operands

    def __reduce__(self):
        return getattr, self.operands


def save(path, **content):
    torch.save({'state_dict': {'w': torch.ones(2)}, **content}, path)
    return path


def test_what_mmengine_saves_is_loaded(tmp_path):
    buffer = HistoryBuffer([1.0, 3.0], [1, 1])
    path = save(tmp_path / 'epoch_1.pth', message_hub={
        'log_scalars': {'loss': buffer}, 'runtime_info': {'eta': np.float64(2.5)},
        'resumed_keys': {}}, meta={'epoch': 1, 'cfg': "a = dict(b=[1, -2.0, 'x'])\n"},
        ints=np.arange(3), flags=np.array([True, False]))
    loaded = read_checkpoint(path)
    assert loaded['message_hub']['log_scalars']['loss'].mean() == 2.0
    assert loaded['message_hub']['runtime_info']['eta'] == 2.5
    assert loaded['ints'].tolist() == [0, 1, 2]
    assert loaded['flags'].tolist() == [True, False]
    assert loaded['meta'] == {'epoch': 1}


def through_mmengine(path):
    return mmengine_checkpoint._load_checkpoint(str(path), map_location='cpu')


def through_download(path):
    return mmengine_checkpoint.load_url(path.as_uri(), model_dir=str(path.parent / 'cache'),
                                        progress=False)


@pytest.mark.parametrize('load', [read_checkpoint, through_mmengine, through_download])
@pytest.mark.parametrize('override', [False, True])
def test_code_is_refused(tmp_path, monkeypatch, load, override):
    if override:  # the usual advice on the web; it must not open the door
        monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    trap = tmp_path / 'trap'
    path = save(tmp_path / 'evil.pth', extra=WritesFile(trap))
    with pytest.raises(UnsafeCheckpointError, match=r'evil\.pth: refused.*mkdir'):
        load(path)
    assert not trap.exists()


def test_the_trap_works(tmp_path):
    """Unpickled without care, the object of the test above does act."""
    trap = tmp_path / 'trap'
    pickle.loads(pickle.dumps(WritesFile(trap)))
    assert trap.exists()


@pytest.mark.parametrize('operands', [
    (HistoryBuffer, '__init__'), (HistoryBuffer, '__class__'), (HistoryBuffer, 'statistics'),
    (np.ndarray, 'tofile'), (HistoryBuffer, '_set_default_statistics')])
def test_getattr_is_for_statistics_only(tmp_path, operands):
    path = save(tmp_path / 'evil.pth', extra=FetchesAttribute(*operands))
    with pytest.raises(UnsafeCheckpointError, match=r'evil\.pth: refused'):
        read_checkpoint(path)


def test_old_pickle_format_is_refused(tmp_path):
    trap, path = tmp_path / 'trap', tmp_path / 'legacy.pth'
    path.write_bytes(pickle.dumps(WritesFile(trap)))
    with pytest.raises(CheckpointError, match=r'legacy\.pth'):
        read_checkpoint(path)
    assert not trap.exists()


@pytest.mark.parametrize('text', [
    "a = __import__('os').mkdir({trap!r})\n",
    "custom_imports = dict(imports=['trap_module'], allow_failed_imports=False)\n",
    "_base_ = {trap!r} + '/base.py'\n",
    "a = 1\n"])
@pytest.mark.parametrize('key', ['config', 'cfg'])
def test_config_text_is_not_read(tmp_path, key, text):
    """mmengine runs ``meta.config`` when it resumes; ours does not get any of it."""
    trap = tmp_path / 'trap'
    path = save(tmp_path / 'evil.pth', meta={key: text.format(trap=str(trap)), 'epoch': 1})
    assert read_checkpoint(path)['meta'] == {'epoch': 1}
    assert not trap.exists()


def test_such_texts_would_run(tmp_path, monkeypatch):
    (tmp_path / 'trap_module.py').write_text(f'open({str(tmp_path / "trap")!r}, "w")')
    monkeypatch.syspath_prepend(tmp_path)
    Config.fromstring("custom_imports = dict(imports=['trap_module'])\n", file_format='.py')
    assert (tmp_path / 'trap').exists()


@pytest.mark.parametrize('keep', [10, 400, -20])
def test_truncated_file_is_named_with_a_remedy(tmp_path, keep):
    whole = save(tmp_path / 'epoch_1.pth')
    cut = tmp_path / 'epoch_2.pth'
    cut.write_bytes(whole.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r'epoch_2\.pth: .*\d+ bytes.*epoch_1\.pth'):
        read_checkpoint(cut)


def test_missing_and_foreign_files(tmp_path):
    with pytest.raises(CheckpointError, match=r'none\.pth: no such checkpoint'):
        read_checkpoint(tmp_path / 'none.pth')
    text = tmp_path / 'text.pth'
    text.write_text('not a checkpoint')
    with pytest.raises(CheckpointError, match=r'text\.pth: '):
        read_checkpoint(text)


def test_weights_that_do_not_fit_are_refused():
    model = torch.nn.Linear(2, 1)
    with pytest.raises(CheckpointError, match=r'x\.pth: does not fit the config: .*bias'):
        load_strictly(model, {'state_dict': {'weight': torch.ones(1, 2)}}, 'x.pth')
    with pytest.raises(CheckpointError, match='holds no weights'):
        load_strictly(model, {'meta': {}}, 'x.pth')


def test_newer_mmengine_is_left_alone(monkeypatch):
    monkeypatch.setattr(mmengine, '__version__', '0.11.0')
    monkeypatch.setattr(mmengine_checkpoint, 'load_url', 'theirs')
    compat.load_checkpoints_without_code()
    assert mmengine_checkpoint.load_url == 'theirs'


def test_old_torch_is_refused(monkeypatch):
    monkeypatch.setattr(torch, '__version__', '2.5.1+cpu')
    with pytest.raises(compat.StackError, match='torch 2.5.1.cpu is too old'):
        compat.check_stack()


def test_checkpoint_from_either_numpy(tmp_path):
    """numpy 1 and 2 name the same function differently."""
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):
        buffer = io.BytesIO()
        pickle.dump(np.arange(3.), buffer, protocol=2)
        data = buffer.getvalue()
        for known in (b'numpy._core.multiarray', b'numpy.core.multiarray'):
            data = data.replace(b'c' + known + b'\n', b'c' + module.encode() + b'\n')
        assert module.encode() in data
        path = tmp_path / f'{module}.pth'
        rewrite_pickle(save(path), data)
        assert read_checkpoint(path).tolist() == [0., 1., 2.]


def rewrite_pickle(path, data):
    """Replace the pickle inside a checkpoint by another one."""
    import zipfile
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, 'w') as archive:
        for name, content in files.items():
            archive.writestr(name, data if name.endswith('/data.pkl') else content)
