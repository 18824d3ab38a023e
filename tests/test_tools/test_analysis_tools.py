"""Tools that write tables and pictures."""
import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
from pycocotools import mask as mask_utils
from tiny_coco import make_tiny_coco


def run(tool, *args):
    return subprocess.run([sys.executable, tool, *map(str, args)],
                          capture_output=True, text=True)


@pytest.fixture
def document(tmp_path):
    path = tmp_path / 'doc.md'
    path.write_text('before\n<!-- table: t -->\nold\n<!-- end of table -->\nafter\n')
    return path


def test_complexity_table(document, tmp_path):
    source = tmp_path / 'c.json'
    source.write_text(json.dumps([
        dict(config='configs/lmsfa/lmsfa-n_1xb8-300e_peld.py', parameters=1829607, macs=4085e6,
             flops=8170e6),
        dict(config='configs/x/other.py', parameters=1000, macs=5e8, flops=1e9)]))
    assert run('tools/docs/write_tables.py', document, 't', '--json', source).returncode == 0
    lines = document.read_text().splitlines()
    assert lines[0] == 'before' and lines[-1] == 'after' and 'old' not in lines
    assert ('| [lmsfa-n_1xb8-300e_peld](configs/lmsfa/lmsfa-n_1xb8-300e_peld.py) | 1,829,607 '
            '| 8.17 | 1.8 M / 8.8 G |') in lines
    assert '| [other](configs/x/other.py) | 1,000 | 1.00 |  |' in lines


def test_results_table(document, tmp_path):
    source = tmp_path / 'scalars.json'
    source.write_text(json.dumps({
        f'coco/{kind}_{figure}': value for kind, values in
        (('bbox', (0.4, 0.7, 0.8, 0.6)), ('segm', (0.37, 0.71, 0.81, 0.61)))
        for figure, value in zip(('mAP', 'mAP_50', 'precision', 'recall'), values, strict=True)}))
    result = run('tools/docs/write_tables.py', document, 't', '--row', f'A=b={source}')
    assert result.returncode == 0, result.stderr
    assert ('| A=b | 0.400 | 0.700 | 0.800 | 0.600 | 0.370 | 0.710 | 0.810 | 0.610 |'
            in document.read_text())


def test_document_without_the_place_is_left_alone(document, tmp_path):
    source = tmp_path / 'c.json'
    source.write_text('[]')
    before = document.read_text()
    result = run('tools/docs/write_tables.py', document, 'absent', '--json', source)
    assert result.returncode == 2 and 'needs one "<!-- table: absent -->"' in result.stderr
    assert document.read_text() == before


def test_side_by_side(tmp_path):
    root = make_tiny_coco(tmp_path / 'data', num_images=3, size=64)
    square = np.zeros((64, 64), np.uint8)
    square[8:40, 8:40] = 1
    rle = mask_utils.encode(np.asfortranarray(square))
    record = dict(category_id=2, bbox=[8, 8, 32, 32],
                  segmentation=dict(size=[64, 64], counts=rle['counts'].decode()))
    predictions = tmp_path / 'predictions.json'
    predictions.write_text(json.dumps([
        dict(record, file_name='p000_f00.png', image_id=1, score=0.9),
        dict(record, file_name='p001_f00.png', image_id=2, score=0.1)]))
    out, sheet = tmp_path / 'out', tmp_path / 'sheet.png'
    result = run('tools/analysis_tools/side_by_side.py',
                 root / 'annotations/instances_test.json', '--images',
                 root / 'images', '--predictions', predictions, '--out', out, '--sheet', sheet)
    assert result.returncode == 0, result.stderr
    pictures = {p.name: cv2.imread(str(p)) for p in out.iterdir()}
    assert sorted(pictures) == ['p000_f00.png', 'p001_f00.png', 'p002_f00.png']
    for name, drawing in pictures.items():
        image = cv2.imread(str(root / 'images' / name))
        panels = np.split(drawing, 3, axis=1)
        assert np.array_equal(panels[0], image)
        assert not np.array_equal(panels[1], image)
        # Only the prediction above the threshold is drawn.
        assert np.array_equal(panels[2], image) == (name != 'p000_f00.png')
    assert cv2.imread(str(sheet)) is not None


def test_side_by_side_names_a_missing_image(tmp_path):
    root = make_tiny_coco(tmp_path / 'data', num_images=1, size=64)
    (root / 'images/p000_f00.png').rename(root / 'images/elsewhere.png')
    (tmp_path / 'p.json').write_text('[]')
    result = run('tools/analysis_tools/side_by_side.py',
                 root / 'annotations/instances_test.json', '--images',
                 root / 'images', '--predictions', tmp_path / 'p.json', '--out', tmp_path / 'o')
    assert result.returncode == 1 and 'p000_f00.png' in result.stderr
