"""LabelMe to COCO, on good and bad input."""

import base64
import importlib.util
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medseg.data.convert.geometry import mask_iou, rasterize

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location(
    'labelme_tool', ROOT / 'tools/data/labelme.py')
labelme = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(labelme)

ALL = 'annotations/instances_all.json'
SQUARE = [[10, 10], [30, 10], [30, 30], [10, 30]]


def shape(label='bone', points=SQUARE, kind='polygon', **more):
    return {'label': label, 'points': points, 'shape_type': kind, 'group_id': None, **more}


def encoded(size=(100, 50), seed=0, kind='PNG', **save):
    pixels = np.random.default_rng(seed).integers(0, 255, (*size[::-1], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=kind, **save)
    return buffer.getvalue()


def add(root, name, shapes, size=(100, 50), suffix='.png', image=True, **content):
    """Writes one LabelMe file and, where ``image``, its image of ``size`` (width, height)."""
    path = root / f'{name}.json'
    path.parent.mkdir(parents=True, exist_ok=True)
    if image:
        path.with_suffix(suffix).write_bytes(encoded(size, kind='PNG'))
    path.write_text(json.dumps({
        'version': '5.2.1', 'imagePath': path.with_suffix(suffix).name, 'imageData': None,
        'imageWidth': size[0], 'imageHeight': size[1], 'shapes': shapes, **content}))
    return path


def run(root, out, *options):
    classes = () if '--classes' in options else ('--classes', 'peld')
    return labelme.main([str(root), str(out), '--quiet', *classes, *options])


def load(out, name=ALL):
    return json.loads((out / name).read_text())


def kinds(out, what='skipped'):
    return load(out, 'conversion_report.json')[f'{what}_by_kind']


def test_shapes_aliases_and_groups(tmp_path, capsys):
    src, out = tmp_path / 'src', tmp_path / 'out'
    right = [[x + 40, y] for x, y in SQUARE]
    add(src, 'p01_a', [
        shape('Fat'),
        shape('Nerve', [[50, 40], [20, 5]], 'rectangle'),
        shape('ligament', [[50, 25], [60, 25]], 'circle'),
        shape('bone', SQUARE, group_id=4), shape('bone', right, group_id=4),
        shape('nerve', right, group_id=4)])
    assert run(src, out) == 0
    coco = load(out)
    assert [item['name'] for item in coco['categories']] == [
        'adipose tissue', 'bone', 'ligamentum flavum', 'nerve']
    fat, nerve, ligament, bone, other = coco['annotations']
    assert (fat['category_id'], fat['area'], fat['bbox']) == (1, 400, [10, 10, 20, 20])
    assert (nerve['category_id'], nerve['area'], nerve['bbox']) == (4, 1050, [20, 5, 30, 35])
    assert ligament['category_id'] == 3
    assert ligament['area'] == pytest.approx(np.pi * 100)
    assert (bone['category_id'], bone['area'], len(bone['segmentation'])) == (2, 800, 2)
    assert bone['bbox'] == [10, 10, 60, 20]
    assert (other['category_id'], other['area']) == (4, 400)
    assert kinds(out, 'warnings') == {'group of two classes': 1}
    assert ('records 6 in = 5 annotations out + 1 merged into groups + 0 listed'
            in capsys.readouterr().out)


BAD_SHAPES = [
    (shape('nerv'), 'unknown class'),
    (shape(points=[[1, 1], [5, 5]], kind='line'), 'unsupported shape'),
    (shape(points=[[1, 1]], kind='point'), 'unsupported shape'),
    (shape(points=[[1, 1], [2, 2], [3, 1]], kind='linestrip'), 'unsupported shape'),
    (shape(points=[[1, 1], [5, 5]]), 'too few points'),
    (shape(points=[[1, 1], [5, 5], [9]]), 'not a number'),
    (shape(points=[[1, 1], [5, 5], ['x', 3]]), 'not a number'),
    (shape(points=[[1, 1], [5, 5], [float('nan'), 3]]), 'not finite'),
    (shape(points=[[101, 1], [500, 5], [109, 9]]), 'outside the image'),
    (shape(points=[[1, 1], [1e300, 5], [9, 9]]), 'outside the image'),
    (shape(points=SQUARE[:3], kind='rotation'), 'too few points'),
    (shape(points=SQUARE * 2, kind='cuboid'), 'unsupported shape'),
    (shape(points=SQUARE, kind='blob'), 'unsupported shape'),
    (shape(points=[[1, 1], [5, 5], [9, 9]]), 'zero area'),
    (shape(points=[[5, 5], [5, 20]], kind='rectangle'), 'zero area'),
    (shape(points=[[5, 5], [5, 5]], kind='circle'), 'zero area'),
    (shape(points=[[-50, 5], [-45, 5]], kind='circle'), 'outside the image'),
    (shape(points=[[5, 5], [9, 9]], kind='mask', mask='AAAA'), 'broken record'),
    ('not an object', 'broken record'),
    (shape(), 'duplicate record'),
]


def test_every_bad_shape_is_listed_and_the_sum_holds(tmp_path, capsys):
    src, out = tmp_path / 'src', tmp_path / 'out'
    add(src, 'sub/012', [shape(), *(bad for bad, _ in BAD_SHAPES)])
    assert run(src, out) == 1
    assert 'records have a label that is no class, the first is sub/012.json: shape 1' in (
        capsys.readouterr().err)
    assert not out.exists()
    assert run(src, out, '--skip-unknown') == 0
    report = load(out, 'conversion_report.json')
    assert [(item['record'], item['kind']) for item in report['skipped']] == [
        (f'shape {number}', kind) for number, (_, kind) in enumerate(BAD_SHAPES, start=1)]
    assert report['total']['records_in'] == 1 + len(BAD_SHAPES)
    assert (report['total']['annotations_out'], report['total']['listed']) == (
        1, len(BAD_SHAPES))
    assert ("sub/012.json: shape 1: 'nerv' is not a class; did you mean 'nerve'?"
            in capsys.readouterr().out)
    assert run(src, tmp_path / 'strict', '--strict') == 1
    assert not (tmp_path / 'strict').exists()


def test_classes_of_the_files(tmp_path):
    src, out = tmp_path / 'src', tmp_path / 'out'
    add(src, 'a', [shape(label='Polyp'), shape(label='polyp', points=[[0, 0], [9, 0], [9, 9]]),
                   shape(label='bone'), shape(label='landmark', kind='point', points=[[1, 1]])])
    add(src, 'b', [shape(label='polyp')])
    assert labelme.main([str(src), str(out), '--quiet']) == 0
    assert [item['name'] for item in load(out)['categories']] == ['bone', 'polyp']
    assert [item['category_id'] for item in load(out)['annotations']] == [2, 2, 1, 2]
    assert kinds(out) == {'unsupported shape': 1}
    empty = tmp_path / 'empty'
    empty.mkdir()
    assert labelme.main([str(empty), str(tmp_path / 'none'), '--quiet']) == 2


def test_bad_part_of_a_group_does_not_take_the_others(tmp_path):
    src, out = tmp_path / 'src', tmp_path / 'out'
    add(src, 'a', [shape(group_id=1), shape(points=[[1, 1], [2, 2], [3, 3]], group_id=1)])
    assert run(src, out) == 0
    assert [item['area'] for item in load(out)['annotations']] == [400]


def bitmap(mask):
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, format='PNG')
    return base64.b64encode(buffer.getvalue()).decode()


#: Shapes that leave the image of 100x50 pixels, their area inside and the parts they are cut into.
LEAVING = {
    'polygon': (shape(points=[[90, 10], [130, 10], [130, 30], [90, 30]]), 200, 1),
    'all four borders': (shape(points=[[-50, -50], [150, -50], [150, 90], [-50, 90]]), 5000, 1),
    'in two parts': (shape(points=[[10, 10], [20, 10], [20, 60], [30, 60], [30, 10], [40, 10],
                                   [40, 90], [10, 90]]), 800, 2),
    'rectangle': (shape(points=[[-10, -10], [10, 20]], kind='rectangle'), 200, 1),
    'rectangle of four corners': (
        shape(points=[[-10, -10], [10, -10], [10, 20], [-10, 20]], kind='rectangle'), 200, 1),
    'circle': (shape(points=[[0, 25], [10, 25]], kind='circle'), np.pi * 50, 1),
    'rotation': (shape(points=[[0, 5], [20, 25], [0, 45], [-20, 25]], kind='rotation',
                       direction=0.785), 400, 1),
    'mask': (shape(points=[[90, 40], [109, 59]], kind='mask',
                   mask=bitmap(np.ones((20, 20), bool))), 100, 1),
}


@pytest.mark.parametrize('name', LEAVING)
def test_what_leaves_the_image_is_cut_and_counted(tmp_path, name):
    src, out = tmp_path / 'src', tmp_path / 'out'
    leaving, area, parts = LEAVING[name]
    add(src, 'a', [leaving, shape()])
    assert run(src, out, '--strict') == 0
    annotation = load(out)['annotations'][0]
    assert annotation['area'] == pytest.approx(area, rel=1e-3)
    assert len(annotation['segmentation']) == parts
    points = np.concatenate([np.reshape(ring, (-1, 2)) for ring in annotation['segmentation']])
    assert (points >= 0).all() and (points <= (100, 50)).all()
    assert kinds(out, 'warnings') == {'clipped': 1}
    warning, = load(out, 'conversion_report.json')['warnings']
    assert 'outside the image of 100x50, cut at its border' in warning['reason']


def test_a_hole_of_a_cut_outline_stays(tmp_path):
    """An outline with a bridged hole, half of it beyond the right border."""
    src, out = tmp_path / 'src', tmp_path / 'out'
    keyhole = [[80, 10], [120, 10], [120, 40], [80, 40], [80, 10], [85, 20], [85, 30], [90, 30],
               [90, 20], [85, 20]]
    add(src, 'a', [shape(points=keyhole)])
    assert run(src, out) == 0
    assert load(out)['annotations'][0]['area'] == pytest.approx(20 * 30 - 50)


@pytest.mark.parametrize('kind', ['rotation', 'oriented_rectangle', 'rotated_rectangle',
                                  'rotated_box', 'quadrilateral', 'rectangle'])
def test_four_corners_have_an_area(tmp_path, kind):
    src, out = tmp_path / 'src', tmp_path / 'out'
    corners = [[40, 5], [60, 25], [50, 35], [30, 15]]  # sides of 20 and 10 times the root of 2
    add(src, 'a', [shape(points=corners, kind=kind, direction=0.785398, difficult=False)])
    assert run(src, out, '--strict') == 0
    annotation = load(out)['annotations'][0]
    assert annotation['area'] == pytest.approx(400)
    assert annotation['bbox'] == [30, 5, 30, 30]
    assert annotation['segmentation'] == [[value for point in corners for value in point]]


def test_mask_shape_keeps_its_pixels(tmp_path):
    src, out = tmp_path / 'src', tmp_path / 'out'
    mask = np.random.default_rng(1).random((20, 30)) < 0.6
    add(src, 'a', [shape(points=[[7, 9], [36, 28]], kind='mask', mask=bitmap(mask))])
    assert run(src, out) == 0
    annotation = load(out)['annotations'][0]
    rings = [np.array(ring).reshape(-1, 2) for ring in annotation['segmentation']]
    expected = np.zeros((50, 100), bool)
    expected[9:29, 7:37] = mask
    assert np.array_equal(rasterize(rings, 50, 100), expected)
    assert annotation['area'] == mask.sum()


def test_folders_with_equal_names_do_not_meet(tmp_path):
    src, out = tmp_path / 'src', tmp_path / 'out'
    add(src, 'p1/001', [shape()])
    add(src, 'p2/001', [shape()], size=(80, 60))
    assert run(src, out) == 0
    assert [(item['file_name'], item['width']) for item in load(out)['images']] == [
        ('p1/001.png', 100), ('p2/001.png', 80)]
    assert Image.open(out / 'images/p2/001.png').size == (80, 60)


def test_names_need_not_be_ascii(tmp_path):
    src, out = tmp_path / 'src', tmp_path / 'out'
    path = add(src, '患者/größe', [shape()])
    path.write_text(path.read_text(), encoding='utf-8-sig')
    assert run(src, out) == 0
    assert load(out)['images'][0]['file_name'] == '患者/größe.png'
    assert (out / 'images/患者/größe.png').is_file()


def test_embedded_image(tmp_path):
    src, out = tmp_path / 'src', tmp_path / 'out'
    data = encoded(kind='JPEG')
    add(src, 'a', [shape()], image=False, imageData=base64.b64encode(data).decode(),
        imagePath='C:\\Users\\x\\gone.jpg')
    assert run(src, out) == 0
    assert load(out)['images'][0]['file_name'] == 'a.jpg'
    assert (out / 'images/a.jpg').read_bytes() == data
    assert run(src, tmp_path / 'none', '--images', 'none') == 1
    assert not (tmp_path / 'none').exists()


def test_embedded_image_decides_where_the_file_differs(tmp_path):
    src, out = tmp_path / 'src', tmp_path / 'out'
    drawn_on = base64.b64encode(encoded((100, 50), seed=1)).decode()
    path = add(src, 'a', [shape()], imageData=drawn_on)
    path.with_suffix('.png').write_bytes(encoded((60, 60)))
    assert run(src, out, '--strict') == 0
    assert (load(out)['images'][0]['width'], load(out)['images'][0]['height']) == (100, 50)
    assert kinds(out, 'warnings') == {'embedded image used': 1}


def test_image_named_with_backslashes(tmp_path):
    src, out = tmp_path / 'src', tmp_path / 'out'
    add(src, 'ann/a', [shape()], image=False, imagePath='..\\img\\frame1.png')
    (src / 'img').mkdir()
    (src / 'img/frame1.png').write_bytes(encoded())
    assert run(src, out, '--strict') == 0
    assert load(out)['images'][0]['file_name'] == 'ann/a.png'
    assert run(src, tmp_path / 'none', '--images', 'none') == 0
    assert load(tmp_path / 'none')['images'][0]['file_name'] == 'img/frame1.png'


def test_wrong_stated_size_gives_way_to_the_image(tmp_path):
    src, out = tmp_path / 'src', tmp_path / 'out'
    add(src, 'a', [shape()], imageWidth=1080, imageHeight=720)
    assert run(src, out, '--strict') == 0
    assert (load(out)['images'][0]['width'], load(out)['images'][0]['height']) == (100, 50)
    assert kinds(out, 'warnings') == {'wrong size stated': 1}


def rotated(src, width, height):
    """An image stored as 100x50 that is to be shown as 50x100."""
    exif = Image.Exif()
    exif[0x0112] = 8
    add(src, 'a', [shape()], image=False, suffix='.jpg', imageWidth=width, imageHeight=height)
    (src / 'a.jpg').write_bytes(encoded(kind='JPEG', exif=exif))
    return np.asarray(Image.open(src / 'a.jpg'))


def test_rotated_image_is_written_in_the_frame_of_its_points(tmp_path):
    src, out = tmp_path / 'src', tmp_path / 'out'
    stored = rotated(src, 50, 100)
    assert run(src, out, '--strict') == 0
    entry = load(out)['images'][0]
    assert (entry['file_name'], entry['width'], entry['height']) == ('a.png', 50, 100)
    with Image.open(out / 'images/a.png') as image:
        assert image.getexif().get(0x0112, 1) == 1
        # orientation 8: to be turned by a quarter counter-clockwise
        assert np.array_equal(np.asarray(image), np.rot90(stored))


def test_unclear_frame_is_listed_unless_the_user_knows(tmp_path, capsys):
    src, out = tmp_path / 'src', tmp_path / 'out'
    stored = rotated(src, 100, 50)
    assert run(src, out) == 1
    assert '--ignore-exif' in capsys.readouterr().err
    assert run(src, out, '--ignore-exif') == 0
    assert (load(out)['images'][0]['width'], load(out)['images'][0]['height']) == (100, 50)
    with Image.open(out / 'images/a.png') as image:
        assert np.array_equal(np.asarray(image), stored)


def test_bad_files_are_listed(tmp_path):
    src, out = tmp_path / 'src', tmp_path / 'out'
    add(src, 'good', [shape()])
    add(src, 'no_image', [shape(), shape()], image=False)
    broken = add(src, 'broken', [shape()]).with_suffix('.png')
    broken.write_bytes(broken.read_bytes()[:200])
    add(src, 'text', []).write_text('{')
    add(src, 'other', []).write_text('[]')
    add(src, 'second', [shape()], image=False, imagePath='good.png')
    (src / 'unlabelled.png').write_bytes(encoded())
    assert run(src, out, '--unlabelled', 'background') == 0
    assert [item['file_name'] for item in load(out)['images']] == ['good.png', 'unlabelled.png']
    assert kinds(out) == {'missing image': 1, 'broken image': 1, 'broken label file': 2,
                          'image annotated twice': 1, 'missing label file': 2}
    total = load(out, 'conversion_report.json')['total']
    assert (total['records_in'], total['annotations_out'], total['listed']) == (5, 1, 4)
    assert run(src, tmp_path / 'listed') == 0
    assert [item['file_name'] for item in load(tmp_path / 'listed')['images']] == ['good.png']


def test_alias_file(tmp_path):
    src, out = tmp_path / 'src', tmp_path / 'out'
    add(src, 'a', [shape('Zahn'), shape('fat')])
    (tmp_path / 'aliases.yaml').write_text('tooth: [zahn]\n')
    assert run(src, out, '--classes', 'tooth', '--aliases', str(tmp_path / 'aliases.yaml'),
               '--skip-unknown') == 0
    assert [item['name'] for item in load(out)['categories']] == ['tooth']
    assert kinds(out) == {'unknown class': 1}


def test_masks_survive_the_round_trip(tmp_path):
    src, out = tmp_path / 'src', tmp_path / 'out'
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    radii = 100 + 30 * np.sin(7 * angles)
    points = np.stack([210 + radii * np.cos(angles), 160 + radii * np.sin(angles)], axis=1)
    add(src, 'a', [shape(points=points.tolist())], size=(411, 307))
    assert run(src, out) == 0
    ring = np.array(load(out)['annotations'][0]['segmentation'][0]).reshape(-1, 2)
    before = np.asarray(rasterize([points], 307, 411))
    assert before.sum() > 10000
    assert mask_iou(before, rasterize([ring], 307, 411)) >= 0.999
