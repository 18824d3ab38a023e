"""stats.py and browse.py on a hand-made set."""

import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from medseg.data.pictures import instance_table
from medseg.runtime.palette import class_colors

ROOT = Path(__file__).resolve().parents[2]


def load_tool(name):
    spec = importlib.util.spec_from_file_location(
        f'{name}_tool', ROOT / f'tools/data/{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


stats, browse = load_tool('stats'), load_tool('browse')


def square(number, image, category, x, y, side):
    return {'id': number, 'image_id': image, 'category_id': category, 'iscrowd': 0,
            'segmentation': [[x, y, x + side, y, x + side, y + side, x, y + side]],
            'bbox': [x, y, side, side], 'area': side * side}


@pytest.fixture
def data(tmp_path):
    """train: one image with bone twice and nerve once; val: two images, one nerve."""
    root = tmp_path / 'data'
    contents = {
        'train': ([1], [square(1, 1, 2, 0, 0, 20), square(2, 1, 2, 30, 0, 10),
                        square(3, 1, 4, 60, 20, 20)]),
        'val': ([1, 2], [square(1, 2, 4, 10, 10, 30)])}
    (root / 'annotations').mkdir(parents=True)
    for subset, (ids, annotations) in contents.items():
        images = [{'id': i, 'file_name': f'ä{i}.png', 'width': 100, 'height': 50} for i in ids]
        for image in images:
            (root / subset).mkdir(exist_ok=True)
            Image.new('RGB', (100, 50), (10, 20, 30)).save(root / subset / image['file_name'])
        (root / f'annotations/instances_{subset}.json').write_text(json.dumps({
            'images': images, 'annotations': annotations,
            'categories': [{'id': 2, 'name': 'bone'}, {'id': 4, 'name': 'nerve'}]}))
    return root


def test_table_is_the_papers_table_one(data, tmp_path, capsys):
    assert stats.main([str(data), '--json', str(tmp_path / 'table.json')]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert set(''.join(rows.pop(1))) == {'-'}
    assert rows == [['class', 'train', 'val', 'total'],
                    ['bone', '2', '0', '2'], ['nerve', '1', '1', '2'],
                    ['instances', '3', '1', '4'], ['images', '1', '2', '3']]
    assert json.loads((tmp_path / 'table.json').read_text())['nerve'] == {
        'train': 1, 'val': 1, 'total': 2}


def test_single_file_has_no_total(data, capsys):
    assert stats.main([str(data / 'annotations/instances_val.json')]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ['class', 'val']


def test_sizes_and_positions(data):
    content = json.loads((data / 'annotations/instances_train.json').read_text())
    table = instance_table(content)
    side = 20 / np.sqrt(5000)
    np.testing.assert_allclose(table['bone'], [[side, 0.1, 0.2], [side / 2, 0.35, 0.1]])
    np.testing.assert_allclose(table['nerve'], [[side, 0.7, 0.6]])


def test_histograms_are_drawn(data, tmp_path, capsys):
    out = tmp_path / 'deep' / 'statistics.png'
    assert stats.main([str(data), '--out', str(out)]) == 0
    with Image.open(out) as image:
        assert image.size == (720, 640)
        assert len(image.getcolors(1 << 20)) > 50
    assert [path.name for path in out.parent.iterdir()] == ['statistics.png']


def test_overlay_has_the_papers_colours(data, tmp_path, capsys):
    out = tmp_path / 'out'
    assert browse.main([str(data), '--out', str(out), '--opacity', '1', '--beside']) == 0
    drawn = np.asarray(Image.open(out / 'train/ä1.png.png'))
    assert drawn.shape == (50, 200, 3)
    assert (drawn[:, :100] == (10, 20, 30)).all()
    red, green = class_colors(['bone', 'nerve'])
    assert tuple(drawn[10, 110]) == red
    assert tuple(drawn[30, 170]) == green
    assert tuple(drawn[45, 110]) == (10, 20, 30)
    assert sorted(path.name for path in (out / 'val').iterdir()) == ['ä1.png.png', 'ä2.png.png']


def test_paper_colours_have_the_named_hues():
    adipose, bone, flavum, nerve = class_colors(
        ['adipose tissue', 'bone', 'ligamentum flavum', 'nerve'])
    hues = [cv2.cvtColor(np.uint8([[color]]), cv2.COLOR_RGB2HSV)[0, 0, 0].item() * 2
            for color in (adipose, bone, flavum, nerve)]
    assert 260 <= hues[0] <= 300  # purple
    assert hues[1] <= 15 or hues[1] >= 345  # red
    assert 40 <= hues[2] <= 65  # yellow
    assert 100 <= hues[3] <= 160  # green


def test_num_draws_that_many(data, tmp_path):
    assert browse.main([str(data), '--out', str(tmp_path / 'out'), '--num', '1']) == 0
    assert len(list((tmp_path / 'out/val').iterdir())) == 1


def test_broken_image_is_told_and_the_rest_drawn(data, tmp_path, capsys):
    (data / 'val/ä1.png').write_bytes(b'no image')
    Image.new('RGB', (7, 7)).save(data / 'train/ä1.png')
    assert browse.main([str(data), '--out', str(tmp_path / 'out')]) == 1
    message = capsys.readouterr().err
    assert 'ä1.png: image cannot be decoded' in message
    assert 'is 7x7, the annotations are for 100x50' in message
    assert (tmp_path / 'out/val/ä2.png.png').is_file()


def test_nothing_is_written_outside_the_output(data, tmp_path, capsys):
    path = data / 'annotations/instances_val.json'
    path.write_text(json.dumps(json.loads(path.read_text())).replace(
        json.dumps('ä2.png'), '"../val/\\u00e42.png"'))
    assert browse.main([str(path), '--out', str(tmp_path / 'out')]) == 2
    assert 'leads out of the image folder' in capsys.readouterr().err


def test_wrong_arguments(data, tmp_path, capsys):
    assert stats.main([str(tmp_path / 'gone')]) == 2
    assert browse.main([str(tmp_path / 'gone'), '--out', str(tmp_path / 'out')]) == 2
    assert browse.main([str(data), '--out', str(data)]) == 2  # would write beside the images
    assert 'is the image folder' in capsys.readouterr().err
    path = data / 'annotations/instances_val.json'
    path.write_text(path.read_text().replace('"category_id": 4', '"category_id": 5'))
    assert stats.main([str(data)]) == 2
    message = capsys.readouterr().err
    assert 'annotation 1: unknown category: category_id 5, known are [2, 4]' in message


def test_predictions_are_drawn_with_their_score():
    from medseg.data.pictures import draw_annotations
    pixels = np.zeros((80, 120, 3), np.uint8)
    item = dict(category_id=1, bbox=[5, 5, 100, 60], area=6000,
                segmentation=[[5, 5, 105, 5, 105, 65, 5, 65]])
    plain = draw_annotations(pixels, [item], {1: 'bone', 2: 'nerve'})
    scored = draw_annotations(pixels, [dict(item, score=0.87)], {1: 'bone', 2: 'nerve'})
    # The class name is the same; the score stands behind it.
    changed = np.argwhere((plain != scored).any(-1))
    assert changed[:, 1].min() > 40
    assert changed[:, 0].max() < 30
