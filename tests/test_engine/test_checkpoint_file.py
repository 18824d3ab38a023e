"""Whatever lies where a checkpoint should, reading it gives weights or one sentence."""
import os
import re
import time
import zipfile

import pytest
import torch
from hostile_checkpoints import ALL, archive, good, pickled, rewritten, saved
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medseg.engine.checkpoint_file import CheckpointError, read_checkpoint


def error_of(path) -> str:
    """The message about a file, which must come quickly and be one line."""
    start = time.monotonic()
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)
    assert time.monotonic() - start < 30
    assert '\n' not in str(caught.value) and str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize('name', ALL)
def test_hostile_files(tmp_path, name):
    content, message = ALL[name]
    path = tmp_path / 'model.pth'
    path.write_bytes(content)
    found = error_of(path)
    assert re.search(message, found), found


def test_places(tmp_path):
    """What lies there is no file at all."""
    (tmp_path / 'whole.pth').write_bytes(saved(good()))
    (tmp_path / 'dangling.pth').symlink_to(tmp_path / 'gone.pth')
    (tmp_path / 'loop.pth').symlink_to(tmp_path / 'loop.pth')
    (tmp_path / 'folder.pth').mkdir()
    os.mkfifo(tmp_path / 'pipe.pth')
    for name, message in (
            ('none.pth', 'no such checkpoint; check the path'),
            ('dangling.pth', f'is a link to {tmp_path}/gone.pth, which is not there'),
            ('loop.pth', 'is a link to'), ('folder.pth', 'is a folder, not a checkpoint'),
            ('pipe.pth', 'is no regular file'), ('x' * 300, 'File name too long'),
            ('whole.pth/x.pth', 'no such checkpoint')):
        assert message in error_of(tmp_path / name)
    # A dangling link beside it does not keep the hint from being given.
    assert f'Beside it: {tmp_path}/whole.pth.' in error_of(tmp_path / 'none.pth')


@pytest.mark.parametrize('options', [{}, dict(_use_new_zipfile_serialization=False)])
def test_good_files(tmp_path, options):
    path = tmp_path / 'model.pth'
    path.write_bytes(saved(good(), **options))
    found = read_checkpoint(path)
    assert found['state_dict']['weight'].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found['meta'] == {'epoch': 1, 'iter': 2}


@pytest.mark.parametrize('value', [
    torch.arange(6.).view(2, 3).t(), torch.ones(0), torch.tensor(3), torch.ones(2, 0, 3),
    torch.arange(10)[2:5], torch.ones(3).half(), torch.ones(3).bfloat16(), torch.ones(2) > 0,
    torch.nn.Parameter(torch.ones(2)), {1, 2}, (1, 'a'), b'bytes', 2**70, None, torch.Size([2]),
    torch.float32, torch.device('cpu')])
def test_plain_values(tmp_path, value):
    path = tmp_path / 'model.pth'
    torch.save({'value': value}, path)
    found = read_checkpoint(path)['value']
    assert torch.equal(found, value) if isinstance(value, torch.Tensor) else found == value


def test_compressed_members_are_refused(tmp_path):
    """They could unpack to any size."""
    path = tmp_path / 'model.pth'
    path.write_bytes(archive(b'\x80\x02' + b'0' * 10_000_000, compression=zipfile.ZIP_DEFLATED))
    assert path.stat().st_size < 20_000
    assert 'compressed' in error_of(path)


def test_many_instructions(tmp_path):
    path = tmp_path / 'model.pth'
    path.write_bytes(archive(pickled(']' + 'Na' * 600_000)))
    assert 'more than 1000000 instructions' in error_of(path)


@settings(max_examples=60, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_change_is_noticed_or_harmless(tmp_path, data):
    """Bytes of a good file changed, cut out or put in: the same weights, or a sentence."""
    content = saved(good(), _use_new_zipfile_serialization=data.draw(st.booleans()))
    start = data.draw(st.integers(0, len(content) - 1))
    end = data.draw(st.integers(start, min(start + 40, len(content))))
    content = content[:start] + data.draw(st.binary(max_size=40)) + content[end:]
    path = tmp_path / 'model.pth'
    path.write_bytes(content)
    try:
        read_checkpoint(path)
    except CheckpointError as error:
        assert '\n' not in str(error)


_INSTRUCTIONS = st.sampled_from([
    'N', '\x88', '\x89', ')', ']', '}', '(', 't', '\x85', '\x86', '\x87', 'a', 'e', 's', 'u', 'R',
    'b', '\x81', 'Q', 'K\x01', 'K\x00', 'h\x00', 'h\x01', 'q\x00', 'q\x01', 'X\x01\x00\x00\x00a',
    'ccollections\nOrderedDict\n', 'ctorch\nFloatStorage\n', 'c__builtin__\nset\n',
    'ctorch._utils\n_rebuild_tensor_v2\n', 'ctorch._utils\n_rebuild_parameter\n',
    'cnumpy.core.multiarray\n_reconstruct\n', 'cnumpy\nndarray\n', 'cnumpy\ndtype\n',
    'c__builtin__\ngetattr\n', 'cmmengine.logging.history_buffer\nHistoryBuffer\n',
    'ctorch\nSize\n', 'c_codecs\nencode\n', 'X\x06\x00\x00\x00latin1', 'X\x02\x00\x00\x00f4',
    'C\x01b', 'U\x01b'])


@settings(max_examples=300, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_INSTRUCTIONS, max_size=30))
def test_any_pickle(tmp_path, instructions):
    """Instructions in any order, checksums in order: a value or a sentence."""
    path = tmp_path / 'model.pth'
    path.write_bytes(archive(pickled(''.join(instructions)), {'0': bytes(16)}))
    try:
        read_checkpoint(path)
    except CheckpointError as error:
        assert '\n' not in str(error)


def test_numbers_in_big_order(tmp_path):
    """Files from machines that write the high byte first are read as they are meant."""
    path = tmp_path / 'model.pth'
    path.write_bytes(rewritten(lambda n, d: b'big' if n.endswith('byteorder') else d))
    found = read_checkpoint(path)['state_dict']['bias']
    assert found.numpy().tobytes() == torch.ones(2).numpy().astype('>f4').tobytes()
