"""Supervisely to COCO, on good and bad input."""

import base64
import importlib.util
import io
import json
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from medseg.data.convert.geometry import mask_iou, rasterize

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location(
    'supervisely_tool', ROOT / 'tools/data/supervisely.py')
supervisely = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(supervisely)

SQUARE = [[10, 10], [30, 10], [30, 30], [10, 30]]
META = {'classes': [{'title': '11', 'shape': 'polygon'}, {'title': 'note', 'shape': 'point'},
                    {'title': '21', 'shape': 'bitmap'}]}


def polygon(exterior=SQUARE, interior=(), title='11', kind='polygon'):
    return {'classTitle': title, 'geometryType': kind,
            'points': {'exterior': exterior, 'interior': list(interior)}}


def bitmap(mask, origin, title='21', mode='1'):
    buffer = io.BytesIO()
    if mode == 'RGBA':
        pixels = np.zeros((*mask.shape, 4), np.uint8)
        pixels[mask] = (9, 9, 9, 255)
        Image.fromarray(pixels).save(buffer, format='PNG')
    else:
        Image.fromarray(mask).save(buffer, format='PNG')
    data = base64.b64encode(zlib.compress(buffer.getvalue())).decode()
    return {'classTitle': title, 'geometryType': 'bitmap',
            'bitmap': {'data': data, 'origin': list(origin)}}


def add(root, dataset, name, objects, size=(100, 50), meta=META):
    """Writes one image of ``size`` (width, height) and, where objects is not None, its file."""
    folder = root / dataset
    for part in ('ann', 'img'):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (root / 'meta.json').write_text(json.dumps(meta))
    Image.new('RGB', size, (50, 60, 70)).save(folder / 'img' / name)
    if objects is not None:
        (folder / 'ann' / f'{name}.json').write_text(json.dumps({
            'description': '', 'tags': [], 'size': {'width': size[0], 'height': size[1]},
            'objects': objects}))


def run(root, out, *options):
    return supervisely.main([str(root), str(out), '--quiet', *options])


def load(out, name='annotations/instances_all.json'):
    return json.loads((out / name).read_text())


def rings(annotation):
    return [np.array(ring).reshape(-1, 2) for ring in annotation['segmentation']]


def test_polygon_with_holes(tmp_path):
    src, out = tmp_path / 'src', tmp_path / 'out'
    holes = [[[12, 12], [16, 12], [16, 16], [12, 16]], [[20, 20], [25, 20], [25, 28], [20, 28]]]
    add(src, 'ds', 'a.png', [polygon(interior=holes)])
    assert run(src, out, '--strict') == 0
    coco = load(out)
    assert [item['name'] for item in coco['categories']] == ['11', '21']
    assert coco['images'][0]['file_name'] == 'ds/a.png'
    annotation = coco['annotations'][0]
    assert annotation['area'] == 400 - 16 - 40
    expected = np.zeros((50, 100), bool)
    expected[10:30, 10:30] = True
    expected[12:16, 12:16] = False
    expected[20:28, 20:25] = False
    assert np.array_equal(rasterize(rings(annotation), 50, 100), expected)
    assert (out / 'images/ds/a.png').is_file()


@pytest.mark.parametrize('mode', ['1', 'RGBA'])
def test_bitmap_keeps_its_pixels(tmp_path, mode):
    src, out = tmp_path / 'src', tmp_path / 'out'
    mask = np.random.default_rng(2).random((20, 30)) < 0.7
    add(src, 'ds', 'a.png', [bitmap(mask, (40, 5), mode=mode)])
    assert run(src, out, '--strict') == 0
    annotation = load(out)['annotations'][0]
    expected = np.zeros((50, 100), bool)
    expected[5:25, 40:70] = mask
    assert np.array_equal(rasterize(rings(annotation), 50, 100), expected)
    assert annotation['area'] == mask.sum()
    assert annotation['category_id'] == 2


def test_datasets_named_after_subsets_keep_the_split(tmp_path, capsys):
    src, out = tmp_path / 'src', tmp_path / 'out'
    add(src, 'train', 'a.png', [polygon()])
    add(src, 'valid', 'a.png', [polygon(kind='rectangle', exterior=[[30, 40], [10, 20]])])
    assert run(src, out) == 0
    assert load(out, 'annotations/instances_train.json')['annotations'][0]['area'] == 400
    assert load(out, 'annotations/instances_val.json')['annotations'][0]['bbox'] == [10, 20, 20, 20]
    assert (out / 'val/a.png').is_file()
    assert run(src, tmp_path / 'none', '--images', 'none') == 0
    assert f'image prefix: {src / "valid" / "img"}' in capsys.readouterr().out


BAD_OBJECTS = [
    (polygon(title='12'), 'unknown class'),
    (polygon(kind='polyline'), 'unsupported shape'),
    (polygon(exterior=[[1, 1], [2, 2]]), 'too few points'),
    (polygon(exterior=[[1, 1], [2, 2], [3]]), 'not a number'),
    (polygon(exterior=[[101, 1], [200, 2], [103, 9]]), 'outside the image'),
    (polygon(exterior=[[1, 1], [2, 2], [3, 3]]), 'zero area'),
    (polygon(interior=[[[0, 0], [40, 0], [40, 40], [0, 40]]]), 'zero area'),
    ({'classTitle': '11', 'geometryType': 'polygon'}, 'broken record'),
    ({'classTitle': '21', 'geometryType': 'bitmap', 'bitmap': {'data': 'eA==', 'origin': [0, 0]}},
     'broken record'),
    (bitmap(np.zeros((5, 5), bool), (0, 0)), 'zero area'),
    (bitmap(np.ones((5, 5), bool), (100, 0)), 'outside the image'),
    ('x', 'broken record'),
    (polygon(), 'duplicate record'),
]


def test_what_leaves_the_image_is_cut_and_counted(tmp_path):
    src, out = tmp_path / 'src', tmp_path / 'out'
    frame = [[90, 10], [130, 10], [130, 40], [90, 40]]
    add(src, 'ds', 'a.png', [
        polygon(exterior=frame),
        polygon(exterior=frame, interior=[[[95, 20], [125, 20], [125, 30], [95, 30]]]),
        bitmap(np.ones((5, 5), bool), (96, 0))])
    assert run(src, out, '--strict') == 0
    # 30 rows of 10 columns; 10 rows of the hole's 5 columns; 4 columns of 5 pixels
    assert [item['area'] for item in load(out)['annotations']] == [300, 250, 20]
    assert load(out, 'conversion_report.json')['warnings_by_kind'] == {'clipped': 3}


def test_every_bad_object_is_listed_and_the_sum_holds(tmp_path):
    src, out = tmp_path / 'src', tmp_path / 'out'
    add(src, 'ds', 'a.png', [polygon(), *(bad for bad, _ in BAD_OBJECTS)])
    assert run(src, out) == 1  # class 12
    assert run(src, out, '--skip-unknown') == 0
    report = load(out, 'conversion_report.json')
    assert [(item['record'], item['kind']) for item in report['skipped']] == [
        (f'object {number}', kind) for number, (_, kind) in enumerate(BAD_OBJECTS, start=1)]
    total = report['total']
    assert (total['records_in'], total['annotations_out'], total['listed']) == (14, 1, 13)
    assert run(src, tmp_path / 'strict', '--strict') == 1
    assert not (tmp_path / 'strict').exists()


def test_bad_files_are_listed(tmp_path):
    src, out = tmp_path / 'src', tmp_path / 'out'
    add(src, 'ds', 'good.png', [polygon()])
    add(src, 'ds', 'unlabelled.png', None)
    add(src, 'ds', 'broken.png', [polygon(), polygon(title='21')])
    (src / 'ds/img/broken.png').write_bytes(b'no image')
    add(src, 'ds', 'gone.png', [polygon()])
    (src / 'ds/img/gone.png').unlink()
    add(src, 'ds', 'text.png', [])
    (src / 'ds/ann/text.png.json').write_text('[1]')
    assert run(src, out) == 0
    report = load(out, 'conversion_report.json')
    assert report['skipped_by_kind'] == {
        'missing label file': 1, 'broken image': 1, 'missing image': 1, 'broken label file': 1}
    assert [item['file_name'] for item in load(out)['images']] == ['ds/good.png']
    total = report['total']
    assert (total['records_in'], total['annotations_out'], total['listed']) == (4, 1, 3)


def test_wrong_stated_size_gives_way_to_the_image(tmp_path):
    src, out = tmp_path / 'src', tmp_path / 'out'
    add(src, 'ds', 'a.png', [polygon()])
    Image.new('RGB', (120, 60)).save(src / 'ds/img/a.png')
    assert run(src, out) == 0
    assert load(out)['images'][0]['width'] == 120
    assert load(out, 'conversion_report.json')['warnings_by_kind'] == {'wrong size stated': 1}


def test_wrong_projects(tmp_path, capsys):
    assert run(tmp_path / 'gone', tmp_path / 'out') == 2
    (tmp_path / 'src').mkdir()
    assert run(tmp_path / 'src', tmp_path / 'out') == 2
    assert 'meta.json' in capsys.readouterr().err
    assert run(tmp_path / 'src', tmp_path / 'out', '--classes', '11') == 2
    assert 'no folder with ann/ and img/' in capsys.readouterr().err


def test_masks_survive_the_round_trip(tmp_path):
    src, out = tmp_path / 'src', tmp_path / 'out'
    angles = np.linspace(0, 2 * np.pi, 50, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    exterior, hole = 200 + 150.3 * circle, 210 + 60.7 * circle
    add(src, 'ds', 'a.png', [polygon(exterior.tolist(), [hole.tolist()])], size=(400, 400))
    assert run(src, out) == 0
    before = rasterize([exterior], 400, 400) & ~rasterize([hole], 400, 400)
    after = rasterize(rings(load(out)['annotations'][0]), 400, 400)
    assert mask_iou(before, after) >= 0.999
    # and against another rasteriser, within its border pixels
    drawn = np.zeros((400, 400), np.uint8)
    cv2.fillPoly(drawn, [np.round(exterior).astype(int), np.round(hole).astype(int)], 1)
    assert mask_iou(drawn.astype(bool), after) > 0.97
