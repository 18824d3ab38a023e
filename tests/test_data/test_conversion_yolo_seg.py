"""YOLO-seg to COCO, on good and bad input."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from medseg.data.convert.geometry import mask_iou, rasterize

ROOT = Path(__file__).resolve().parents[2]


def load_tool(path):
    spec = importlib.util.spec_from_file_location(Path(path).stem + '_tool', ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


yolo_seg = load_tool('tools/data/yolo_seg.py')
TRIANGLE = '0 0.1 0.1 0.5 0.1 0.1 0.5'


def add(root, subset, name, lines, size=(100, 50), suffix='.png', **save):
    """Writes one image of ``size`` (width, height) and, where lines is not None, its labels."""
    image = root / 'images' / subset / f'{name}{suffix}'
    label = root / 'labels' / subset / f'{name}.txt'
    image.parent.mkdir(parents=True, exist_ok=True)
    label.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(name)).integers(0, 255, (*size[::-1], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(image, **save)
    if lines is not None:
        label.write_text('\n'.join(lines) + '\n' if lines else '')
    return image


def run(root, out, *options):
    return yolo_seg.main([str(root), str(out), '--classes', 'bone', 'nerve', '--quiet', *options])


def load(out, name='annotations/instances_train.json'):
    return json.loads((out / name).read_text())


def test_good_set(tmp_path, capsys):
    src, out = tmp_path / 'src', tmp_path / 'deep' / 'out'
    add(src, 'train', 'a', [TRIANGLE, '1 0 0 1 0 1 1 0 1'])
    add(src, 'train', 'sub/empty', [])
    add(src, 'val', 'b', ['1 0.5 0.5 1 0.5 1 1'])
    assert run(src, out) == 0
    train = load(out)
    assert train['categories'] == [{'id': 1, 'name': 'bone', 'supercategory': ''},
                                   {'id': 2, 'name': 'nerve', 'supercategory': ''}]
    assert train['images'] == [
        {'id': 1, 'file_name': 'a.png', 'width': 100, 'height': 50},
        {'id': 2, 'file_name': 'sub/empty.png', 'width': 100, 'height': 50}]
    first, second = train['annotations']
    assert first == {'id': 1, 'image_id': 1, 'category_id': 1, 'bbox': [10, 5, 40, 20],
                     'segmentation': [[10, 5, 50, 5, 10, 25]], 'area': 400, 'iscrowd': 0}
    assert second['area'] == 5000
    assert second['category_id'] == 2
    assert (out / 'train/sub/empty.png').is_file()
    assert len(COCO(str(out / 'annotations/instances_val.json')).anns) == 1
    assert 'records 2 in = 2 annotations out + 0 listed' in capsys.readouterr().out
    assert not list(out.rglob('.*'))


BAD_LINES = [
    ('0 0.1 0.1 0.5 0.1 0.1', 'odd number of coordinates'),
    ('0 0.1 0.1', 'too few points'),
    ('0 0.5 0.5 0.2 0.2', 'box only'),
    ('0 0.1 0.1 1.5 0.1 0.1 0.5', 'outside the image'),
    ('0 0.1 0.1 nan 0.1 0.1 0.5', 'not finite'),
    ('0 0.1 0.1 inf 0.1 0.1 0.5', 'not finite'),
    ('0 0.1 0.1 x 0.1 0.1 0.5', 'not a number'),
    ('7 0.1 0.1 0.5 0.1 0.1 0.5', 'unknown class'),
    ('0.5 0.1 0.1 0.5 0.1 0.1 0.5', 'unknown class'),
    ('-1 0.1 0.1 0.5 0.1 0.1 0.5', 'unknown class'),
    ('0 0.1 0.1 0.3 0.3 0.5 0.5', 'zero area'),
    ('0 0.1 0.1 0.1 0.1 0.1 0.1', 'zero area'),
    (TRIANGLE, 'duplicate record'),
]


def test_every_bad_line_is_listed_and_the_sum_holds(tmp_path, capsys):
    src, out = tmp_path / 'src', tmp_path / 'out'
    add(src, 'train', 'a', [TRIANGLE, '', *(line for line, _ in BAD_LINES)])
    assert run(src, out) == 1
    assert 'records have a label that is no class' in capsys.readouterr().err
    assert run(src, out, '--skip-unknown') == 0
    report = load(out, 'conversion_report.json')
    assert [(item['record'], item['kind']) for item in report['skipped']] == [
        (f'line {number}', kind) for number, (_, kind) in enumerate(BAD_LINES, start=3)]
    assert {item['file'] for item in report['skipped']} == {'labels/train/a.txt'}
    assert report['total']['records_in'] == len(BAD_LINES) + 1
    assert report['total']['annotations_out'] == 1
    assert report['total']['listed'] == len(BAD_LINES)
    printed = capsys.readouterr().out
    assert 'labels/train/a.txt: line 3: 5 coordinates' in printed
    assert 'records 14 in = 1 annotations out + 13 listed' in printed


@pytest.mark.parametrize('line', [line for line, _ in BAD_LINES[:-1]])
def test_strict_leaves_nothing_behind(tmp_path, capsys, line):
    src, out = tmp_path / 'src', tmp_path / 'new' / 'out'
    add(src, 'train', 'a', [TRIANGLE, line])
    assert run(src, out, '--strict') == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ['src']
    assert 'line 2' in capsys.readouterr().err


def test_small_overshoot_is_clipped_and_counted(tmp_path):
    src, out = tmp_path / 'src', tmp_path / 'out'
    add(src, 'train', 'a', ['0 -0.002 0 1.001 0 1 1.0005 0 1'])
    assert run(src, out, '--strict') == 0
    assert load(out)['annotations'][0]['bbox'] == [0, 0, 100, 50]
    assert load(out, 'conversion_report.json')['warnings_by_kind'] == {'clipped': 1}


def test_missing_and_broken_partners(tmp_path):
    src, out = tmp_path / 'src', tmp_path / 'out'
    add(src, 'train', 'good', [TRIANGLE])
    add(src, 'train', 'no_label', None)
    add(src, 'train', 'no_image', [TRIANGLE, TRIANGLE]).unlink()
    broken = add(src, 'train', 'broken', [TRIANGLE])
    broken.write_bytes(broken.read_bytes()[:-300])
    add(src, 'train', 'twice', [TRIANGLE])
    add(src, 'train', 'twice', [TRIANGLE], suffix='.bmp')
    assert run(src, out) == 0
    assert [image['file_name'] for image in load(out)['images']] == ['good.png']
    report = load(out, 'conversion_report.json')
    assert {(item['kind'], item['records']) for item in report['skipped']} == {
        ('missing label file', 0), ('missing image', 2), ('broken image', 1),
        ('duplicate image name', 1)}
    assert report['total'] == {'images_in': 5, 'images_out': 1, 'records_in': 5,
                               'annotations_out': 1, 'merged': 0, 'listed': 4}


def test_unlabelled_images_can_be_background(tmp_path):
    src, out = tmp_path / 'src', tmp_path / 'out'
    add(src, 'train', 'no_label', None)
    assert run(src, out, '--unlabelled', 'background') == 0
    assert len(load(out)['images']) == 1


def test_layout_without_split(tmp_path):
    src, out = tmp_path / 'src', tmp_path / 'out'
    add(src, '.', 'bild_ä', [TRIANGLE])
    assert run(src, out) == 0
    assert load(out, 'annotations/instances_all.json')['images'][0]['file_name'] == 'bild_ä.png'
    assert (out / 'images/bild_ä.png').is_file()


def test_layout_with_split_folders_first(tmp_path):
    src, out = tmp_path / 'src', tmp_path / 'out'
    add(tmp_path / 'flat', '.', 'a', [TRIANGLE])
    for kind in ('images', 'labels'):
        (src / 'valid').mkdir(parents=True, exist_ok=True)
        (tmp_path / 'flat' / kind).rename(src / 'valid' / kind)
    assert run(src, out) == 0
    assert len(load(out, 'annotations/instances_val.json')['annotations']) == 1


def test_files_beside_the_split_are_listed(tmp_path):
    src, out = tmp_path / 'src', tmp_path / 'out'
    add(src, 'train', 'a', [TRIANGLE])
    add(src, 'holdout', 'b', [TRIANGLE])
    assert run(src, out) == 0
    report = load(out, 'conversion_report.json')
    assert sorted(item['file'] for item in report['skipped']) == [
        'images/holdout/b.png', 'labels/holdout/b.txt']
    assert report['total']['listed'] == 1


@pytest.mark.parametrize('mode', ['copy', 'symlink', 'hardlink'])
def test_image_modes(tmp_path, mode):
    src, out = tmp_path / 'src', tmp_path / 'out'
    image = add(src, 'train', 'a', [TRIANGLE])
    assert run(src, out, '--images', mode) == 0
    target = out / 'train/a.png'
    assert target.read_bytes() == image.read_bytes()
    assert target.is_symlink() == (mode == 'symlink')
    assert target.samefile(image) == (mode != 'copy')


def test_images_can_stay(tmp_path, capsys):
    src, out = tmp_path / 'src', tmp_path / 'out'
    image = add(src, 'train', 'sub/a', [TRIANGLE])
    assert run(src, out, '--images', 'none') == 0
    assert not (out / 'train').exists()
    assert src / 'images/train' / load(out)['images'][0]['file_name'] == image
    assert f'image prefix: {src}/images/train' in capsys.readouterr().out


def test_rotated_images_are_written_upright(tmp_path):
    src, out = tmp_path / 'src', tmp_path / 'out'
    exif = Image.Exif()
    exif[0x0112] = 6
    image = add(src, 'train', 'a', ['0 0 0 1 0 1 0.5 0 0.5'], suffix='.jpg', exif=exif)
    assert run(src, out, '--images', 'symlink') == 0
    entry = load(out)['images'][0]
    assert (entry['file_name'], entry['width'], entry['height']) == ('a.png', 50, 100)
    assert load(out)['annotations'][0]['bbox'] == [0, 0, 50, 50]
    with Image.open(out / 'train/a.png') as upright, Image.open(image) as stored:
        assert upright.getexif().get(0x0112, 1) == 1
        # orientation 6: to be turned by a quarter clockwise
        assert np.array_equal(np.asarray(upright), np.rot90(np.asarray(stored), -1))
    assert run(src, tmp_path / 'none', '--images', 'none') == 1
    assert not (tmp_path / 'none').exists()


def test_wrong_arguments(tmp_path, capsys):
    src, out = tmp_path / 'src', tmp_path / 'out'
    assert run(src, out) == 2
    assert f'{src}: no such directory' in capsys.readouterr().err
    src.mkdir()
    assert run(src, out) == 2
    assert 'give the directory that holds images/' in capsys.readouterr().err
    add(src, 'train', 'a', [TRIANGLE])
    assert run(src, src / 'out') == 2
    assert 'lies in the source' in capsys.readouterr().err
    out.mkdir()
    (out / 'mine.txt').write_text('kept')
    assert run(src, out) == 2
    assert 'is not empty' in capsys.readouterr().err
    assert run(src, out, '--overwrite') == 0
    assert (out / 'mine.txt').read_text() == 'kept'


def test_class_names_of_the_data_set_are_found(tmp_path):
    src, out = tmp_path / 'src', tmp_path / 'out'
    add(src, 'train', 'a', [TRIANGLE])
    (src / 'data.yaml').write_text('names: [Adiposity, Bone]\n')
    assert yolo_seg.main([str(src), str(out), '--aliases', 'peld', '--quiet']) == 0
    assert [item['name'] for item in load(out)['categories']] == ['adipose tissue', 'bone']
    (src / 'data.yaml').unlink()
    assert yolo_seg.main([str(src), str(tmp_path / 'other'), '--quiet']) == 2


@pytest.mark.parametrize('root, train, places', [
    ('path: .', 'images/train', 'images'),
    ('path: nested', 'images/train', 'nested/images'),
    ('', '../train/images', 'train/images'),  # as Roboflow exports it
    ('', 'train.txt', 'images'),
    ('', '[images/train, images/more]', 'images'),
])
def test_folders_and_lists_of_a_data_yaml(tmp_path, root, train, places):
    src, out = tmp_path / 'src', tmp_path / 'out'
    folder = src / places / ('' if places.endswith('train/images') else 'train')
    labels = Path(str(folder).replace('images', 'labels'))
    folder.mkdir(parents=True)
    labels.mkdir(parents=True)
    for name in ('a', 'b'):
        Image.new('RGB', (100, 50)).save(folder / f'{name}.png')
        (labels / f'{name}.txt').write_text(TRIANGLE)
    if 'more' in train:
        add(src, 'more', 'c', [TRIANGLE])
    (src / 'train.txt').write_text('./images/train/b.png\n')
    file = src / 'cells.yaml'
    file.write_text(f'{root}\ntrain: {train}\nval:\nnames: {{0: big cell, 1: small cell}}\n')
    assert yolo_seg.main([str(file), str(out), '--quiet']) == 0
    content = load(out)
    assert [item['name'] for item in content['categories']] == ['big cell', 'small cell']
    expected = ['b.png'] if train == 'train.txt' else ['a.png', 'b.png', 'c.png']
    assert [item['file_name'] for item in content['images']] == expected[:3 if 'more' in train
                                                                         else 2]
    assert len(content['annotations']) == len(content['images'])


@pytest.mark.parametrize('text, message', [
    ('train: nowhere\nnames: [a]', 'train: nowhere: no such folder or list of images'),
    ('names: [a]', 'names no train, val or test images'),
    ('train: list.txt\nnames: [a]', 'list.txt: line 1: gone.png is no image that is there'),
    ('[1, 2]', 'is not a mapping'),
])
def test_a_data_yaml_that_leads_nowhere(tmp_path, capsys, text, message):
    (tmp_path / 'list.txt').write_text('gone.png\n')
    (tmp_path / 'data.yaml').write_text(text)
    assert yolo_seg.main([str(tmp_path / 'data.yaml'), str(tmp_path / 'out'), '--classes', 'a',
                          '--quiet']) == 2
    assert message in capsys.readouterr().err


def test_masks_survive_the_round_trip(tmp_path):
    src, out = tmp_path / 'src', tmp_path / 'out'
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    radii = 0.3 + 0.1 * np.sin(5 * angles)
    points = 0.5 + np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    add(src, 'train', 'a', ['0 ' + ' '.join(f'{value:.10f}' for value in points.reshape(-1))],
        size=(317, 211))
    assert run(src, out) == 0
    ring = np.array(load(out)['annotations'][0]['segmentation'][0]).reshape(-1, 2)
    before, after = rasterize([points * (317, 211)], 211, 317), rasterize([ring], 211, 317)
    assert before.sum() > 10000
    assert mask_iou(before, after) >= 0.999


def test_failure_while_writing_leaves_nothing(tmp_path, monkeypatch):
    src, out = tmp_path / 'src', tmp_path / 'out'
    add(src, 'train', 'a', [TRIANGLE])
    from medseg.data.convert import writer

    def full(*_):
        raise OSError('no space left on device')

    monkeypatch.setattr(writer, 'place_image', full)
    with pytest.raises(OSError, match='no space'):
        run(src, out)
    assert not out.exists()
