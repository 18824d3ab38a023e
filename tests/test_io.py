"""Files are whole or absent; JSON faults name the file."""
import json

import pytest

from medseg.errors import UserError
from medseg.io import read_json, replacing, write_bytes, write_json, write_text


def test_written_whole_and_folders_made(tmp_path):
    path = tmp_path / 'new' / 'Knochen – 骨.json'
    write_json(path, {'größe': [1, 2.5]}, indent=1)
    assert read_json(path) == {'größe': [1, 2.5]}
    write_text(tmp_path / 'a.txt', 'ü\n')
    assert (tmp_path / 'a.txt').read_bytes() == b'\xc3\xbc\n'
    write_bytes(tmp_path / 'a.txt', b'\x00\x01')
    assert (tmp_path / 'a.txt').read_bytes() == b'\x00\x01'
    assert sorted(p.name for p in tmp_path.rglob('*')) == ['Knochen – 骨.json', 'a.txt', 'new']


@pytest.mark.parametrize('content', [float('nan'), float('inf'), {1, 2}])
def test_what_is_no_json_leaves_the_old_file(tmp_path, content):
    path = tmp_path / 'a.json'
    write_json(path, {'old': 1})
    with pytest.raises((ValueError, TypeError)):
        write_json(path, {'good': 1, 'bad': content})
    assert json.loads(path.read_text()) == {'old': 1}
    assert [p.name for p in tmp_path.iterdir()] == ['a.json']


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    path = tmp_path / 'frame.mp4'
    path.write_text('old')
    with pytest.raises(KeyboardInterrupt):
        with replacing(path, suffix='.part.mp4') as part:
            assert part.parent == tmp_path and part.name.endswith('.part.mp4')
            part.write_text('half')
            raise KeyboardInterrupt
    assert path.read_text() == 'old'
    assert [p.name for p in tmp_path.iterdir()] == ['frame.mp4']


def test_names_of_any_length(tmp_path):
    path = tmp_path / ('n' * 250 + '.json')
    write_json(path, 1)
    assert read_json(path) == 1


@pytest.mark.parametrize('data, told', [
    (None, 'cannot be read'), (b'{"a": ', 'is not JSON'), (b'\xff\xfe{', 'is not JSON'),
    (b'[' * 100_000, 'is not JSON')],
    ids=['missing', 'cut off', 'no text', 'nested too deep'])
def test_faults_name_the_file(tmp_path, data, told):
    path = tmp_path / 'a.json'
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(UserError, match=rf'a\.json: {told}'):
        read_json(path)


def test_byte_order_mark(tmp_path):
    (tmp_path / 'a.json').write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / 'a.json') == {'a': 1}
