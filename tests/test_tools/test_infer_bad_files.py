"""infer.py and the runtime's overlays: one bad file costs that file, and no two share a picture."""
import json
import os
import shutil
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
from tool_runs import load_tool

from medseg.runtime.files import overlay_paths

#: Files of one folder, and the overlays of some of them.
CLASHES = [
    (['x.jpg', 'y.png'], {'x.jpg': 'x.png', 'y.png': 'y.png'}),
    (['x.jpg', 'x.png'], {'x.jpg': 'x.jpg.png', 'x.png': 'x.png.png'}),
    (['x.jpg', 'x.jpg.png'], {'x.jpg': 'x.png', 'x.jpg.png': 'x.jpg.png'}),
    (['x.jpg', 'x.tif', 'x.jpg.png'], {'x.tif': 'x.tif.png'}),
    (['x.jpg', 'x.tif', 'x.jpg.png', 'x.tif.png'], {}),
    (['a/x.jpg', 'b/x.jpg'], {'a/x.jpg': 'a/x.png', 'b/x.jpg': 'b/x.png'}),
    (['X.jpg', 'x.jpg', 'x.JPG', 'x.png'], {}),
    (['x.jpg', 'x.png', 'x.png.png', 'x.png.png.png', 'x.jpg.png'], {}),
    (['x.jpg', 'x.png', 'x.jpg.bmp', 'x.jpg~0.bmp', 'x.jpg.png'], {}),
]


@pytest.mark.parametrize(('names', 'expected'), CLASHES)
def test_no_two_files_share_an_overlay(names, expected):
    root, out = Path('/in'), Path('/out')
    targets = overlay_paths([root / name for name in names], root, out)
    assert len({str(path).casefold() for path in targets.values()}) == len(names)
    for name, target in expected.items():
        assert targets[root / name] == out / target


def test_every_folder_of_four_of_these_files():
    names = [f'{stem}{ending}' for stem in ('x', 'x.jpg', 'x.png', 'x.jpg.png', 'X')
             for ending in ('.jpg', '.png', '.tif')]
    for chosen in combinations(names, 4):
        files = [Path('/in') / name for name in chosen]
        targets = overlay_paths(files, Path('/in'), Path('/out'))
        assert len({str(path).casefold() for path in targets.values()}) == 4


def test_infer_goes_on(tiny_config, trained, tmp_path, capsys):
    source, out = tmp_path / 'in', tmp_path / 'out'
    source.mkdir()
    good = sorted((tiny_config.parent / 'data' / 'images').iterdir())[0]
    shutil.copy(good, source / 'good.png')
    shutil.copy(good, source / ('z' * 251 + '.bmp'))  # its overlay has a name as long, .png
    for name, size in (('thread', (3000, 1)), ('needle', (1, 3000))):
        cv2.imwrite(str(source / f'{name}.png'), np.zeros((*size, 3), np.uint8))
    with open(os.fsencode(source) + b'/\xff\xfe.png', 'wb') as file:
        file.write(good.read_bytes())
    (source / 'loop.png').symlink_to('loop.png')
    (source / 'up').symlink_to('.')
    (source / 'empty.png').write_bytes(b'')
    code = load_tool('tools/infer.py').main([
        str(tiny_config), str(trained / 'epoch_4.pth'), str(source), '--out', str(out),
        '--score-thr', '0'])
    told = capsys.readouterr()
    failed = [line for line in told.err.splitlines() if line.startswith('failed: ')]
    assert code == 1 and len(failed) == 4
    for words in ('thread.png: an image of 1x3000 cannot be brought', 'needle.png: an image of',
                  'no text in UTF-8', 'empty.png'):
        assert sum(words in line for line in failed) == 1, words
    assert 'on 2 of 6 images' in told.out
    names = {item['file_name'] for item in load_json(out / 'predictions.json')}
    assert 'good.png' in names and len(names) <= 2
    assert (out / 'overlays/good.png').is_file()


def load_json(path):
    return json.loads(path.read_text())
